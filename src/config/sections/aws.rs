//! `aws`: where AWS is and who we are there. The usual variables `AWS_…` are left to the SDK; here it is only known
//! whether there are any.

use minijinja::context;

use super::Check;
use crate::config::Aws;
use crate::config::written;

/// Variables by which programs of AWS are told who they are.
const VARIABLES: &[&str] = &["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL"];

impl Check<'_> {
    /// Where AWS is.
    pub fn aws(&mut self, aws: written::Aws) -> Aws {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let secret = self.resolve(&["aws"], "secret_access_key", aws.secret_access_key, aws.secret_access_key_file);
        let key = match (given(aws.access_key_id), secret) {
            (Some(id), Some(secret)) => Some((id, secret)),
            (None, None) => None,
            (id, _) => {
                let missing = if id.is_some() { "secret_access_key" } else { "access_key_id" };
                self.error(&["aws"], "aws_half_key", context! { missing });
                None
            }
        };
        let (region, endpoint, profile) = (given(aws.region), given(aws.endpoint_url), given(aws.profile));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if let Some(region) = region.as_ref().filter(|region| !region.chars().all(plain)) {
            self.error(&["aws", "region"], "aws_region", context! { region });
        }
        if let Some(endpoint) =
            endpoint.as_ref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            self.error(&["aws", "endpoint_url"], "aws_endpoint", context! { endpoint });
        }
        if profile.is_some() && key.is_some() {
            self.error(&["aws", "profile"], "aws_two_ways", context! {});
        }
        let said = region.is_some() || endpoint.is_some() || profile.is_some() || key.is_some();
        let named = said || VARIABLES.iter().any(|name| self.env.get(*name).is_some_and(|value| !value.is_empty()));
        Aws { region, endpoint, profile, key, named }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::Config;

    fn wrong(text: &str) -> String {
        let problems = Config::read("sereno.yaml", text, &BTreeMap::new()).err().unwrap_or_default();
        problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn where_aws_is_is_checked_and_known_to_be_named() {
        let read =
            |text: &str, env: BTreeMap<String, String>| Config::read("sereno.yaml", text, &env).ok().unwrap().aws;
        assert!(!read("", BTreeMap::new()).named);
        assert!(read("", [("AWS_PROFILE".to_owned(), "shop".to_owned())].into()).named);
        let aws = read("aws: { region: eu-west-1, access_key_id: A, secret_access_key: s3cr3t }", BTreeMap::new());
        assert_eq!((aws.named, aws.region.as_deref(), aws.key.is_some()), (true, Some("eu-west-1"), true));
        assert!(wrong("aws: { region: Ireland }").contains("Ireland"));
        assert!(wrong("aws: { endpoint_url: localhost }").contains("localhost"));
        assert!(wrong("aws: { access_key_id: A }").contains("secret_access_key"));
        assert!(wrong("aws: { profile: p, access_key_id: A, secret_access_key: s }").contains("profile"));
    }
}
