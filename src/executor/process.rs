//! The only place that starts processes: an argument list and never a shell line, a cleared environment, a process
//! group of its own that ends as a whole, output handed on as it comes. Knows nothing of steps.
//!
//! Not used: the kernel's "signal me when my parent dies". It watches the parent's thread, and threads of the
//! runtime come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{AccessFlags, Pid, access};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::output::Pipe;

/// Where programs are looked for, and the `PATH` that they are given.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long what is left of a group is waited for once its leader has ended, and again once it has been killed.
const DRAIN: Duration = Duration::from_secs(1);
/// How often a group without its leader is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A year: a deadline that is no deadline, and still fits a timer.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// A program to run.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments, each handed over as it is.
    pub args: Vec<String>,
    /// The directory to run it in; this process's own without.
    pub dir: Option<PathBuf>,
    /// Its environment, beside `PATH` and `LANG`. Nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// What it reads; empty means nothing.
    pub stdin: Vec<u8>,
    /// How it is told to end.
    pub polite: Polite,
}

/// How a program and its group are told to end, before the signal that cannot be ignored.
#[derive(Debug, Clone, Copy)]
pub struct Polite {
    /// What says so.
    pub signal: Signal,
    /// How long it may then take to put its things in order.
    pub grace: Duration,
}

impl Default for Polite {
    fn default() -> Self {
        Self { signal: Signal::SIGTERM, grace: Duration::from_secs(2) }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal that was not ours.
    Killed(i32),
    /// Stopped, because its time was up.
    TimedOut,
    /// Stopped, because it was cancelled.
    Cancelled,
}

/// Runs a program to its end and hands its output to `sink` as it comes. When its time is up, or when it is
/// cancelled, the whole group gets the polite signal of its [`Spec`], and SIGKILL after its grace; when this future is
/// dropped, SIGKILL at once. Nothing of the group outlives this call: what a program leaves running in the background has one second.
/// A daemon that must stay has to leave the group (`setsid`).
///
/// # Errors
/// When it cannot be started; then nothing has run.
pub async fn run(
    spec: &Spec,
    timeout: Duration,
    cancel: &CancellationToken,
    sink: &mut (dyn FnMut(Pipe, &[u8]) + Send),
) -> io::Result<Ended> {
    run_fed(spec, None, timeout, cancel, sink).await
}

/// As [`run`], for a program that reads more than memory should hold: after [`Spec::stdin`] it reads what comes through
/// `input`, which it may leave unread.
///
/// # Errors
/// As [`run`].
pub async fn run_fed(
    spec: &Spec,
    input: Option<mpsc::Receiver<Vec<u8>>>,
    timeout: Duration,
    cancel: &CancellationToken,
    sink: &mut (dyn FnMut(Pipe, &[u8]) + Send),
) -> io::Result<Ended> {
    let mut child = start(spec, input.is_some())?;
    let mut group = Group::led_by(&child);
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut out_buffer, mut err_buffer) = ([0; 16 * 1024], [0; 16 * 1024]);
    let feed = feed(child.stdin.take(), &spec.stdin, input);
    tokio::pin!(feed);
    let mut fed = false;
    let mut status: Option<ExitStatus> = None;
    let mut stopped: Option<Ended> = None;
    let mut killed = false;
    let mut alarm = Instant::now() + timeout.min(LONGEST);
    while status.is_none() || out.is_some() || err.is_some() || !group.is_gone() {
        tokio::select! {
            read = next(&mut out, &mut out_buffer) => match read {
                0 => out = None,
                read => sink(Pipe::Out, &out_buffer[..read]),
            },
            read = next(&mut err, &mut err_buffer) => match read {
                0 => err = None,
                read => sink(Pipe::Err, &err_buffer[..read]),
            },
            () = &mut feed, if !fed => fed = true,
            ended = child.wait(), if status.is_none() => {
                status = Some(ended?);
                if stopped.is_none() {
                    alarm = Instant::now() + DRAIN;
                }
            }
            () = cancel.cancelled(), if stopped.is_none() && status.is_none() => {
                stopped = Some(Ended::Cancelled);
                group.signal(spec.polite.signal);
                alarm = Instant::now() + spec.polite.grace;
            }
            () = sleep_until(alarm) => {
                if killed {
                    break; // Something outside the group holds a pipe, or the kernel does not let go of it.
                }
                if stopped.is_none() && status.is_none() {
                    stopped = Some(Ended::TimedOut);
                    group.signal(spec.polite.signal);
                    alarm = Instant::now() + spec.polite.grace;
                } else {
                    killed = true;
                    group.signal(Signal::SIGKILL);
                    alarm = Instant::now() + DRAIN;
                }
            }
            () = sleep(LOOK), if status.is_some() => {}
        }
    }
    Ok(stopped.unwrap_or_else(|| status.map_or(Ended::Killed(Signal::SIGKILL as i32), ended)))
}

/// A program that runs beside this one until it is dropped. Its standard input stays open as long as this process
/// lives, so that the program can tell when it must end by itself.
pub struct Service {
    _child: Child,
    _group: Group,
}

impl Service {
    /// Starts it. What it prints goes nowhere.
    ///
    /// # Errors
    /// When it cannot be started.
    #[allow(clippy::disallowed_methods)] // this is the one place
    pub fn start(program: &std::path::Path, args: &[&str]) -> io::Result<Self> {
        let child = tokio::process::Command::new(program)
            .args(args)
            .env_clear()
            .env("PATH", PATH)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let group = Group::led_by(&child);
        Ok(Self { _child: child, _group: group })
    }
}

/// Kills every group that is still running, at once. For the end of the process, when nobody waits any more.
pub fn kill_all() {
    for leader in live().iter() {
        let _ = killpg(Pid::from_raw(*leader), Signal::SIGKILL);
    }
}

/// The file of a program that is named without a directory.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    PATH.split(':')
        .map(|dir| PathBuf::from(dir).join(name))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
}

#[allow(clippy::disallowed_methods)] // this is the one place
fn start(spec: &Spec, fed: bool) -> io::Result<Child> {
    let mut command = tokio::process::Command::new(&spec.program);
    command
        .args(&spec.args)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .envs(&spec.env)
        .process_group(0)
        .stdin(if spec.stdin.is_empty() && !fed { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(dir) = &spec.dir {
        command.current_dir(dir);
    }
    command.spawn()
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Killed(signal.unwrap_or_default()),
    }
}

/// Writes all input; a program that does not read it is none of our business.
async fn feed(stdin: Option<ChildStdin>, bytes: &[u8], input: Option<mpsc::Receiver<Vec<u8>>>) {
    let Some(mut stdin) = stdin else { return };
    let mut taken = stdin.write_all(bytes).await.is_ok();
    if let Some(mut input) = input {
        while taken && let Some(chunk) = input.recv().await {
            taken = stdin.write_all(&chunk).await.is_ok();
        }
    }
}

/// The next bytes of a pipe, 0 at its end. A closed pipe has nothing to say, ever.
async fn next(pipe: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// Leaders of the groups that run now.
static LIVE: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn live() -> MutexGuard<'static, BTreeSet<i32>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process group of ours. Killed when dropped, unless it was seen to be gone.
struct Group {
    leader: Pid,
    gone: bool,
}

impl Group {
    fn led_by(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).expect("a child that was not waited for has an id");
        live().insert(id);
        Self { leader: Pid::from_raw(id), gone: false }
    }

    fn signal(&self, signal: Signal) {
        if !self.gone {
            let _ = killpg(self.leader, signal);
        }
    }

    /// Whether nobody is left in it. Only for a group whose leader has been waited for. Its number may be somebody
    /// else's later, so it is never signalled again.
    fn is_gone(&mut self) -> bool {
        // As the first process of a container we inherit orphans, and have to bury them.
        let orphans = Pid::from_raw(-self.leader.as_raw());
        while !self.gone
            && matches!(waitpid(orphans, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
        {
        }
        self.gone = self.gone || killpg(self.leader, None) == Err(Errno::ESRCH);
        self.gone
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        live().remove(&self.leader.as_raw());
    }
}
