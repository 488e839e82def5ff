//! A runtime of the driver's own. For a server that is silent the driver leaves tasks behind, each with a connection,
//! that wait without end; here they end with the attempt. Knows nothing of what is asked.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::context::TokioContext;

/// Where the driver's tasks are; they end with this.
pub(super) struct Apart {
    handle: Handle,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
}

impl Apart {
    /// With one thread.
    ///
    /// # Errors
    /// When the machine has no thread left.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Does something whose tasks stay here.
    pub(super) fn run<F: Future>(&self, work: F) -> TokioContext<F> {
        TokioContext::new(work, self.handle.clone())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
