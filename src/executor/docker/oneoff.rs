//! `docker` run: a container of its own for one program, gone afterwards whatever happens. An image and volumes that
//! exist, known by the ids of the plan; never a directory of the host, a privilege, the host's network or a socket.

use std::collections::HashMap;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::Attempt;
use super::engine::{Container, Engine, Fault, fault, lost, of_thing};
use super::job::OneOff;
use super::prune::volume_created;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::output::Pipe;
use crate::executor::{StepContext, listed};

/// On each of these containers: the attempt that it belongs to, and until when (ms) somebody may wait for it.
const STEP: &str = "sereno.step";
const UNTIL: &str = "sereno.until";
/// What the engine gives besides to every container, and these do not need.
const DROPPED: &[&str] = &["AUDIT_WRITE", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT"];
/// Most processes.
const PROCESSES: i64 = 512;
/// Most memory where nothing is said, in bytes.
const MEMORY: i64 = 512 * 1024 * 1024;
/// Room in `/tmp`.
const TMP: &str = "rw,nosuid,nodev,size=67108864";
/// After its time is up, how long a container may still be being removed by who started it.
const MARGIN: Duration = Duration::from_secs(60);

/// What the engine has of what the step names: it exists, and which it is.
pub(super) async fn resolve(engine: &Engine, one: &OneOff) -> Result<Value, Fault> {
    let image = match engine.docker.inspect_image(&one.image).await {
        Ok(image) => image.id.unwrap_or_default(),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
            return Err(Fault::Failed(sentence!("action.docker_image_not_here", image => &one.image)));
        }
        Err(error) => return Err(of_thing(&one.image, &error)),
    };
    let mut volumes = Vec::new();
    for mount in &one.mounts {
        let created = volume_created(engine, &mount.volume).await?;
        let created =
            created.ok_or_else(|| Fault::Failed(sentence!("action.docker_no_volume", name => &mount.volume)))?;
        volumes.push(json!({"name": mount.volume, "created": created}));
    }
    let network = match &one.network {
        None => Value::Null,
        Some(name) => {
            let found = engine.docker.inspect_network(name, None).await.map_err(|error| of_thing(name, &error))?;
            // `none` and `host` are of kinds of their own.
            if !matches!(found.driver.as_deref(), Some("bridge" | "overlay" | "macvlan" | "ipvlan")) {
                return Err(Fault::Failed(sentence!("action.docker_network_refused", name)));
            }
            json!(found.id)
        }
    };
    Ok(json!({"image_id": image, "volumes": volumes, "network_id": network}))
}

/// Runs it to its end. `attempt.leftover` holds what is to be removed until it is.
pub(super) async fn run(
    engine: &Engine,
    one: &OneOff,
    cx: &StepContext,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    sweep(engine, cx).await?;
    let resolved = resolve(engine, one).await?;
    let now = cx.tools.redactor.value(&resolved);
    if !cx.planned.is_null() && ["image_id", "volumes", "network_id"].iter().any(|of| cx.planned[*of] != now[*of]) {
        return Err(Fault::Failed(sentence!("action.docker_moved_on")));
    }
    let body = body(one, &resolved, cx).map_err(Fault::Failed)?;
    // Whatever comes of this request, the label finds it.
    attempt.leftover = true;
    let created = engine.docker.create_container(None::<CreateContainerOptions>, body).await;
    let id = created.map_err(|error| of_thing(&one.image, &error))?.id;
    let ended = to_its_end(engine, (&one.image, &id), attempt).await;
    attempt.sent = false;
    let code = ended?;
    // What cannot be removed now is removed by its label: that says nothing of what the program did.
    attempt.leftover = remove(engine, &id).await.is_err();
    attempt.found("exit", code);
    match one.ok.contains(&code) {
        true => Ok(sentence!("action.exit", code)),
        false => Err(Fault::Failed(sentence!("action.exit_bad", code, ok => listed(&one.ok)))),
    }
}

async fn to_its_end(engine: &Engine, (image, id): (&str, &str), attempt: &mut Attempt<'_>) -> Result<i64, Fault> {
    let lost = |error: Error| lost(image, &error);
    let options = AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
    let mut attached =
        engine.docker.attach_container(id, Some(options)).await.map_err(|error| of_thing(image, &error))?;
    attempt.sent = true;
    let started = engine.docker.start_container(id, None).await;
    started.map_err(|error| fault(Sentence::plain(image), &error))?;
    while let Some(frame) = attached.output.next().await {
        let frame = frame.map_err(lost)?;
        let pipe = if let LogOutput::StdErr { .. } = frame { Pipe::Err } else { Pipe::Out };
        attempt.recorder.push(pipe, frame.as_ref());
    }
    // Its output may be over before it is.
    let mut waiting = Box::pin(engine.docker.wait_container(id, None::<WaitContainerOptions>));
    match waiting.next().await {
        Some(Ok(answer)) => Ok(answer.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(lost(error)),
        None => {
            let found = engine.docker.inspect_container(id, None).await.map_err(lost)?;
            Ok(found.state.and_then(|state| state.exit_code).unwrap_or(-1))
        }
    }
}

fn body(one: &OneOff, resolved: &Value, cx: &StepContext) -> Result<ContainerCreateBody, Sentence> {
    let env = one.env.iter().map(|(name, text)| Ok(format!("{name}={}", text.reveal(&cx.tools)?)));
    let env: Vec<String> = env.collect::<Result<_, Sentence>>()?;
    let mounts = one.mounts.iter().map(|mount| Mount {
        target: Some(mount.at.clone()),
        source: Some(mount.volume.clone()),
        typ: Some(MountType::VOLUME),
        read_only: Some(!mount.write),
        ..Mount::default()
    });
    let until = cx.started_at.after(cx.timeout + MARGIN).0;
    let labels = [(STEP, cx.idempotency_key.clone()), (UNTIL, until.to_string())];
    let host = HostConfig {
        mounts: Some(mounts.collect()),
        network_mode: Some(resolved["network_id"].as_str().unwrap_or("none").to_owned()),
        readonly_rootfs: Some(!one.writable),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), TMP.to_owned())])),
        cap_drop: Some(DROPPED.iter().map(|name| (*name).to_owned()).collect()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        pids_limit: Some(PROCESSES),
        memory: Some(one.memory.unwrap_or(MEMORY)),
        // What it prints comes to us, and is not written down beside us.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    };
    Ok(ContainerCreateBody {
        image: resolved["image_id"].as_str().map(str::to_owned),
        // The image's own entrypoint has no say.
        entrypoint: Some(one.argv.iter().take(1).cloned().collect()),
        cmd: Some(one.argv.iter().skip(1).cloned().collect()),
        env: Some(env),
        working_dir: one.dir.clone(),
        user: one.user.clone(),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    })
}

/// Removes what this attempt has left, by its label: an answer that was not heard may have made it.
pub(super) async fn clear(engine: &Engine, cx: &StepContext) -> Result<(), Fault> {
    for one in engine.labelled(format!("{STEP}={}", cx.idempotency_key)).await? {
        gone(engine, &one).await?;
    }
    Ok(())
}

/// Removes what others left whose time is over: their process was killed.
async fn sweep(engine: &Engine, cx: &StepContext) -> Result<(), Fault> {
    for one in engine.labelled(STEP.to_owned()).await? {
        let own = one.labels.get(STEP) == Some(&cx.idempotency_key);
        let until = one.labels.get(UNTIL).and_then(|until| until.parse::<i64>().ok());
        if own || until.is_none_or(|until| until < cx.started_at.0) {
            gone(engine, &one).await?;
        }
    }
    Ok(())
}

async fn gone(engine: &Engine, one: &Container) -> Result<(), Fault> {
    let answer = remove(engine, &one.id).await;
    answer.map_err(|error| fault(sentence!("action.docker_removing", name => &one.name), &error))
}

async fn remove(engine: &Engine, id: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match engine.docker.remove_container(id, Some(options)).await {
        // Gone, or on its way.
        Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        answer => answer,
    }
}
