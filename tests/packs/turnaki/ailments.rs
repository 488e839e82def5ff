//! What ails Turnaki and what is done about it: the frontend, Lambdas that take too long, DynamoDB that holds back,
//! CloudFront's 403, a certificate that waits. Each ends in Terraform, with the real program.

use serde_json::json;
use sereno::id::MessageId;

use super::infra::{Infra, told};
use super::looks::{asked, make, write};
use crate::harness::{Heard, Story, minutes};
use crate::world::{approved_by, asks, checks_off, comes_to};

/// Approves the deploy that a run has started in its thread, and gives the run again.
async fn inner_deploy(s: &Story, run: &Heard) {
    let mut db = s.database.read().await.unwrap();
    let all = sereno::store::messages::channel(&mut db, "#infra", "nobody", 200).await.unwrap();
    drop(db);
    let mut roots: Vec<MessageId> = all.into_iter().map(|message| message.id).collect();
    roots.push(run.id.clone());
    for root in roots {
        for heard in s.thread(&root).await {
            if heard.card.state == "awaiting_approval" && heard.card.title.contains("desplegar") {
                s.person("leo").presses(&heard, "approve").await;
            }
        }
    }
}

/// Leo agrees to whatever is asked, and minutes pass until the run is done: on a busy machine a look is late, is tried
/// again, or is asked for by itself.
async fn goes_on(s: &Story, run: &Heard) -> Heard {
    for _ in 0..30 {
        match s.message(&run.id).await.card.state.as_str() {
            "awaiting_approval" => approved_by(s, run, &["leo"]).await,
            "running" => s.waits(minutes(1)).await,
            _ => break,
        }
    }
    comes_to(s, run, "done").await
}

/// A CloudFront distribution's id.
async fn distribution(infra: &Infra) -> String {
    let origin = "<Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>site.s3.amazonaws.com</DomainName>\
                  <S3OriginConfig><OriginAccessIdentity></OriginAccessIdentity></S3OriginConfig></Origin></Items></Origins>";
    let body = format!(
        "<DistributionConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><CallerReference>{}</CallerReference>\
         {origin}<DefaultCacheBehavior><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all\
         </ViewerProtocolPolicy></DefaultCacheBehavior><Comment></Comment><Enabled>true</Enabled></DistributionConfig>",
        infra.cloud.name
    );
    let answer = asked(&infra.cloud, "cloudfront", ("POST", "/2020-05-31/distribution", "application/xml"), body).await;
    answer.split("<Id>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// An `aws s3 sync` that copies folders: a bucket is a folder under `buckets`.
const SYNC: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "aws $*" >> "$here/calls"
[ -n "$AWS_SECRET_ACCESS_KEY" ] && [ "$1 $2" = "s3 sync" ] || exit 64
place() { case "$1" in s3://*) echo "$here/buckets/${1#s3://}" ;; *) echo "$1" ;; esac; }
from=$(place "$3") to=$(place "$4")
[ -d "$from" ] || { echo "The user-provided path $3 does not exist." >&2; exit 255; }
mkdir -p "$to"
[ "${5-}" != --delete ] || find "$to" -mindepth 1 -delete
cp -r "$from/." "$to"
"#;

/// Two environments with a site each, which is online, and one checkout.
async fn two_sites() -> Option<Infra> {
    let infra = Infra::bare().await?;
    let id = distribution(&infra).await;
    for env in ["dev", "prod"] {
        let outputs = format!(
            "output \"frontend_bucket_name\" {{ value = \"{env}-site\" }}\n\
             output \"cloudfront_distribution_id\" {{ value = \"{id}\" }}\n"
        );
        infra.write(&format!("{env}/main.tf"), &outputs);
        infra.terraform_in(env, &["init", "-input=false"]);
        infra.terraform_in(env, &["apply", "-auto-approve", "-input=false"]);
        infra.write(&format!("buckets/{env}-site/index.html"), &format!("{env}, old"));
        infra.write(&format!("buckets/{env}-site/{env}.js"), "old");
    }
    // What is built is another one each time.
    infra.program("npm", "#!/bin/sh\nhere=$(dirname \"$0\")\necho \"npm $*\" >> \"$here/calls\"\nwc -l < \"$here/calls\" > build/index.html\n");
    infra.program("aws", SYNC);
    Some(infra)
}

/// Ana asks, Leo agrees where he must, and it is done.
async fn deploys(s: &Story, env: &str) -> Heard {
    let run = asks(s, &format!("desplegar-frontend {env}")).await;
    goes_on(s, &run).await
}

async fn undoes(s: &Story, over: &Heard) -> Heard {
    let undo = s.person("ana").presses(over, "undo").await.remove(0);
    goes_on(s, &undo).await
}

/// Proves: K05.
#[tokio::test(flavor = "multi_thread")]
async fn the_frontend_goes_up_is_forgotten_by_cloudfront_and_comes_back() {
    let Some(infra) = two_sites().await else { return };
    let here = ["dev", "prod"]
        .into_iter()
        .fold(infra.here(), |here, env| here.value_in(env, "infra", infra.path(env).display()));
    here.tell(async |s| {
        super::catches_up(s);
        let page = |env: &str| std::fs::read_to_string(infra.path(&format!("buckets/{env}-site/index.html"))).unwrap();
        let prod = deploys(s, "prod").await;
        assert_eq!(page("dev"), "dev, old");
        let of_prod = page("prod");
        assert_ne!(of_prod, "prod, old");
        let dev = deploys(s, "dev").await;
        assert!(page("dev") != "dev, old" && page("prod") == of_prod);

        // What was there in prod comes back, whatever was deployed elsewhere meanwhile, and only then it is forgotten.
        let undo = undoes(s, &prod).await;
        assert_eq!(page("prod"), "prod, old");
        assert!(!infra.path("buckets/prod-site/dev.js").exists() && infra.path("buckets/prod-site/prod.js").exists());
        let steps: Vec<String> = undo.card.table.as_ref().unwrap().rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(steps, ["Publicar otra vez lo que había", "Que CloudFront olvide también lo nuevo"]);
        undoes(s, &dev).await;
        assert_eq!(page("dev"), "dev, old");
        let calls = std::fs::read_to_string(infra.path("calls")).unwrap();
        assert!(calls.starts_with("npm run build\n"), "{calls}");
    })
    .await;
}

/// Proves: K15.
#[tokio::test(flavor = "multi_thread")]
async fn a_lambda_gets_more_time_by_the_code_and_a_deploy() {
    let Some(infra) = Infra::new().await else { return };
    make(&infra.cloud, &infra.function()).await;
    write(&infra.cloud, &infra.function(), &["INFO up"]).await;
    infra
        .tell(async |s| {
            let run = asks(s, &format!("lambda-timeout {} prod", infra.function())).await;
            let held = comes_to(s, &run, "holding").await;
            assert!(held.card.text().contains("Hoy tiene 30 s"), "{}", held.card.text());
            infra.release("30s");
            s.person("ana").presses_with(&held, "check", &[("evidence", "https://git/pr/7")]).await;
            inner_deploy(s, &run).await;
            comes_to(s, &run, "done").await;
            assert!(infra.state().to_string().contains("30s"));
        })
        .await;
}

/// Proves: K16.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_paid_by_request_by_the_code_and_a_deploy() {
    let Some(infra) = Infra::new().await else { return };
    infra
        .tell(async |s| {
            let run = asks(s, "dynamodb-lento prod").await;
            assert_eq!(checks_off(s, &run).await, 1);
            inner_deploy(s, &run).await;
            let over = comes_to(s, &run, "done").await;
            assert!(over.card.text().contains("escrituras frenadas en cinco minutos"), "{}", over.card.text());
        })
        .await;
}

/// Proves: K17.
#[tokio::test(flavor = "multi_thread")]
async fn a_403_of_cloudfront_is_mended_by_its_module() {
    let Some(infra) = Infra::new().await else { return };
    let bucket = format!("{}-site", infra.cloud.name);
    infra.cloud.aws(json!({"do": "s3.create_bucket", "bucket": bucket})).await;
    infra.app.answers("GET /", 403, json!({}));
    infra
        .tell(async |s| {
            let run = asks(s, "frontend-403 prod").await;
            // Nothing differs, so nothing is approved; the site still refuses.
            assert_eq!(s.message(&run.id).await.card.state, "running", "{}", told(s, &run).await);
            infra.app.answers("GET /", 200, json!({}));
            s.waits(minutes(1)).await;
            let over = comes_to(s, &run, "done").await;
            assert!(over.card.text().contains("política del bucket"), "{}", over.card.text());
        })
        .await;
}

/// Proves: K18.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_waits_is_waited_for_or_replaced() {
    let Some(infra) = Infra::new().await else { return };
    let domain = format!("{}.example.com", infra.cloud.name);
    let zone = format!(
        "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{domain}</Name>\
         <CallerReference>{domain}</CallerReference></CreateHostedZoneRequest>"
    );
    let answer = asked(&infra.cloud, "route53", ("POST", "/2013-04-01/hostedzone", "application/xml"), zone).await;
    let zone = answer.split("<Id>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let request = json!({"DomainName": domain, "ValidationMethod": "DNS"}).to_string();
    let certificate =
        || asked(&infra.cloud, "acm", ("POST", "/", "CertificateManager.RequestCertificate"), request.clone());
    infra
        .here()
        .value("zone", &zone)
        .value("domain", &domain)
        .tell(async |s| {
            super::catches_up(s);
            let run = asks(s, "certificado esperar prod").await;
            comes_to(s, &run, "done").await; // none waits
            let arn: serde_json::Value = serde_json::from_str(&certificate().await).unwrap();
            let run = asks(s, "certificado esperar prod").await;
            assert_eq!(s.message(&run.id).await.card.state, "running", "{}", told(s, &run).await);
            s.person("ana").presses(&s.message(&run.id).await, "cancel").await;

            let run = asks(s, "certificado renovar prod").await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            assert!(ask.card.text().contains("module.s3_cloudfront.terraform_data.it"), "{}", ask.card.text());
            let gone = json!({"CertificateArn": arn["CertificateArn"]}).to_string();
            asked(&infra.cloud, "acm", ("POST", "/", "CertificateManager.DeleteCertificate"), gone).await;
            s.person("leo").presses(&ask, "approve").await;
            comes_to(s, &run, "done").await;
        })
        .await;
}
