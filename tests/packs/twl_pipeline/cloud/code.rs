//! Code on AWS: built, packed, deployed, compared, put back, and its variables.

use super::*;

impl Pipeline {
    /// Builds and deploys ingestion with this in it; the digest of its zip, and the run that deployed it.
    async fn release(&self, s: &Story, what: &str) -> (String, Heard) {
        self.write("apps/ingestion/dist/release.txt", what);
        let built = through(s, "compilar ingestion prod", "").await;
        assert_eq!(built.card.state, "done", "{}", told(s, &built).await);
        let deployed = through(s, "desplegar-codigo ingestion prod", "").await;
        assert_eq!(deployed.card.state, "done", "{}", told(s, &deployed).await);
        let zip = std::fs::read(self.path("ingestion.zip")).unwrap();
        (sereno::domain::digest::sha256(&zip), deployed)
    }

    async fn zips(&self, lines: &[&str]) {
        self.here()
            .tell(async |s| {
                for line in lines {
                    let over = through(s, line, "").await;
                    assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
                }
            })
            .await;
    }
}

/// Proves: T37.
#[tokio::test(flavor = "multi_thread")]
async fn the_zip_that_is_looked_at_is_this_services_and_new() {
    let Some(it) = Pipeline::new().await else { return };
    it.zips(&["compilar ingestion prod", "compilar reporting prod"]).await;
    for service in ["ingestion", "reporting"] {
        assert!(std::fs::metadata(it.path(&format!("{service}.zip"))).unwrap().len() > 23, "{service}");
    }
    let idle = it.here().value("zip", it.program("zip"));
    std::fs::remove_file(it.path("reporting.zip")).unwrap();
    idle.tell(async |s| {
        let run = asks(s, "compilar reporting prod").await;
        s.person("leo").presses(&run, "approve").await;
        let over = to_the_end(s, &run, "").await;
        assert_eq!(over.card.state, "failed", "another service's zip says nothing: {}", told(s, &over).await);
    })
    .await;
    idle.tell(async |s| {
        catches_up(s);
        let over = through(s, "compilar ingestion prod", "").await;
        assert_eq!(over.card.state, "failed", "nor does the zip of before: {}", told(s, &over).await);
    })
    .await;
}

/// `zip` updates an archive by size and by seconds counted in twos.
///
/// Proves: T37.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_within_a_second_and_kept_its_size_is_in_the_zip() {
    let Some(it) = Pipeline::new().await else { return };
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    for release in ["one", "two"] {
        it.write("apps/ingestion/dist/release.txt", release);
        let file = std::fs::File::open(it.path("apps/ingestion/dist/release.txt")).unwrap();
        file.set_modified(at).unwrap();
        it.zips(&["compilar ingestion prod"]).await;
        let zip = std::fs::read(it.path("ingestion.zip")).unwrap();
        assert!(zip.windows(3).any(|bytes| bytes == release.as_bytes()), "release {release} is not in its zip");
    }
}

/// Proves: T38, T50.
#[tokio::test(flavor = "multi_thread")]
async fn code_is_deployed_compared_by_the_machine_and_put_back_by_button_and_in_an_emergency() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    write(&it.cloud, &it.function("ingestion"), &["ERROR bad release"]).await;
    let runs = async || it.lambda("ingestion").await["sha256"].as_str().unwrap().to_owned();
    let first = runs().await;
    it.here()
        .tell(async |s| {
            catches_up(s);
            let (one, deployed) = it.release(s, "one").await;
            assert_eq!(runs().await, one, "Lambda runs the zip that was built");
            assert!(told(s, &deployed).await.contains(&one), "and the machine says which it is");
            says(&deployed, &["estado de la función | OK", "Ingesta | OK"]);
            let undo = only(s.person("ana").presses(&deployed, "undo").await);
            assert_eq!(undo.card.state, "failed", "the first time there is no zip of before: {}", undo.card.text());
            assert!(told(s, &undo).await.contains(&first) && runs().await == one);

            let (two, deployed) = it.release(s, "two").await;
            assert_eq!(runs().await, two);
            taken_back(s, &deployed, "").await;
            assert_eq!(runs().await, one, "its undo puts the zip of before in again");

            let (three, _) = it.release(s, "three").await;
            let run = asks(s, "servicio-caido ingestion codigo prod").await;
            assert!(told(s, &run).await.contains("bad release"));
            let held = comes_to(s, &run, "holding").await;
            let zips = held.card.buttons[0].asks.as_ref().unwrap().inputs[0].choices.clone();
            assert_eq!(zips, [&three, &two, &one].map(|sha256| format!("ingestion-{sha256}.zip")), "the newest first");
            s.person("ana").presses_with(&held, "choose", &[("choice", &zips[2])]).await;
            let over = to_the_end(s, &run, "").await;
            assert_eq!((over.card.state.as_str(), runs().await), ("done", one.clone()), "{}", told(s, &over).await);
            taken_back(s, &over, "").await;
            assert_eq!(runs().await, three);
        })
        .await;
}

/// Proves: T50.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_that_was_asked_about_is_the_one_that_must_answer() {
    let (Some(it), down) = (Pipeline::with_lambdas().await, App::start().await) else { return };
    down.turns(Health::Error);
    for (broken, row) in [("ingestion", "Ingesta"), ("processing", "Procesamiento"), ("reporting", "API de informes")] {
        it.here()
            .value(broken, &down.url)
            .tell(async |s| {
                for (service, cause) in SERVICES.iter().zip(["recursos", "datos", "datos"]) {
                    let over = through(s, &format!("servicio-caido {service} {cause} dev"), "").await;
                    let state = if *service == broken { "failed" } else { "done" };
                    assert_eq!(over.card.state, state, "{service}, {broken}: {}", told(s, &over).await);
                    assert_eq!(over.card.text().contains(&format!("{row} | not OK")), *service == broken);
                }
            })
            .await;
    }
}

/// Proves: T40, D11.
#[tokio::test(flavor = "multi_thread")]
async fn variables_are_joined_to_those_there_are_and_taken_back() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    let before = it.variables("processing").await;
    it.here()
        .tell(async |s| {
            let over = through(s, "variables-lambda processing prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(!told(s, &over).await.contains("hunter2"));
            let now = it.variables("processing").await;
            assert_eq!(now["SQS_QUEUE_URL"], "https://sqs/hunter2hunter2");
            assert_eq!((&now["S3_BUCKET_NAME"], &now["DB_PASSWORD"]), (&it.cloud.name, &before["DB_PASSWORD"]));
            let undo = taken_back(s, &over, "").await;
            assert_eq!(it.variables("processing").await, before, "as they were, values and all");
            assert!(!told(s, &undo).await.contains("hunter2"));
        })
        .await;
}
