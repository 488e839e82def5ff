//! A second opinion that nobody here wrote: Slack's own `slack_sdk` for Python works against the fake.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use sereno_fakes::Clock;
use sereno_fakes::slack::{Setup, Slack, sign};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// The interpreter of an environment that has the kit; none, said by name, where `tests/parts/up` did not make one. With
/// CI=true that is a failure.
#[allow(clippy::disallowed_methods)] // the environment says where parts are
fn python() -> Option<PathBuf> {
    let found = std::env::var_os("SERENO_TEST_PYTHON").filter(|path| !path.is_empty());
    if found.is_none() {
        eprintln!("skipped: SERENO_TEST_PYTHON is not set; tests/parts/up makes it");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "slack_sdk must be here");
    }
    found.map(PathBuf::from)
}

/// A script under way: it prints a line of JSON for each step.
struct Script {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Script {
    #[allow(clippy::disallowed_methods)] // a program of others
    fn start(python: &Path, script: &str, args: &[&str]) -> Self {
        let mut command = Command::new(python);
        command.args(["-u", "-c", script]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().expect("the script ended");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    async fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn its_verifier_accepts_what_the_fake_signs() {
    let Some(python) = python() else { return };
    let script = "\
import json, sys, time
from slack_sdk.signature import SignatureVerifier, Clock
class Then(Clock):
    def now(self): return 1772442000.0
v = SignatureVerifier('a secret of many letters', Then())
for line in sys.stdin:
    body, ts, signature = json.loads(line)
    print(json.dumps(v.is_valid(body, ts, signature)))
";
    let mut script = Script::start(&python, script, &[]);
    for (body, secret, at, valid) in [
        ("payload=%7B%7D&ñ=ü", "a secret of many letters", 1_772_442_000, true),
        ("", "a secret of many letters", 1_772_441_701, true),
        ("payload=%7B%7D", "another secret", 1_772_442_000, false),
        ("payload=%7B%7D", "a secret of many letters", 1_772_441_699, false),
    ] {
        let said = json!([body, at.to_string(), sign(secret, at, body.as_bytes())]);
        script.tell(&said.to_string()).await;
        assert_eq!(script.next().await, json!(valid), "{said}");
    }
}

const TALK: &str = "\
import json, sys, threading
from slack_sdk import WebClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.errors import SlackApiError
url = sys.argv[1]
web = WebClient(token='xoxb-fake-bot', base_url=url)
say = lambda value: print(json.dumps(value))
say(web.auth_test().data['user_id'])
first = web.chat_postMessage(channel='C1', text='hello', metadata={'event_type': 'e', 'event_payload': {'seq': 1}},
    blocks=[{'type': 'section', 'text': {'type': 'mrkdwn', 'text': '*hello*'}}])
web.chat_postMessage(channel='C1', text='more', thread_ts=first['ts'])
web.chat_update(channel='C1', ts=first['ts'], text='hello again', blocks=[])
web.files_upload_v2(channel='C1', thread_ts=first['ts'], content='a\\nb\\n', filename='log.txt', title='Log')
replies = web.conversations_replies(channel='C1', ts=first['ts'], include_all_metadata=True)
say([message['text'] for message in replies['messages']])
say([user['id'] for page in web.users_list(limit=2) for user in page['members']])
try:
    web.chat_postMessage(channel='C1', text='x', blocks=[{'type': 'header', 'text': {'type': 'plain_text', 'text': 'x' * 151}}])
except SlackApiError as error:
    say(error.response['error'])
bot = SocketModeClient(app_token='xapp-fake-app', web_client=WebClient(base_url=url), ping_interval=1)
def heard(client, request):
    if request.type == 'slash_commands':
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload={'text': 'on it'}))
        view = {'type': 'modal', 'callback_id': 'f', 'title': {'type': 'plain_text', 'text': 'Form'},
            'submit': {'type': 'plain_text', 'text': 'Send'}, 'blocks': [{'type': 'input', 'block_id': 'b',
            'label': {'type': 'plain_text', 'text': 'L'}, 'element': {'type': 'plain_text_input', 'action_id': 'a'}}]}
        opened = web.views_open(trigger_id=request.payload['trigger_id'], view=view)
        say(opened['view']['id'])
    else:
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        say(request.payload['view']['state']['values'])
bot.socket_mode_request_listeners.append(heard)
bot.connect()
say('connected')
threading.Event().wait()
";

#[tokio::test]
async fn its_clients_post_upload_listen_and_answer() {
    let Some(python) = python() else { return };
    let slack = Slack::start(Setup::at(Clock::system())).await.unwrap();
    let mut script = Script::start(&python, TALK, &[&slack.api_url()]);
    assert_eq!(script.next().await, "UBOT");
    assert_eq!(script.next().await, json!(["hello again", "more", ""]));
    assert_eq!(script.next().await, json!(["U1", "U2", "U3", "U8", "UBOT"]));
    assert_eq!(script.next().await, "invalid_blocks");
    assert_eq!(slack.files()[0].bytes.as_deref(), Some(b"a\nb\n".as_slice()));
    assert_eq!(slack.channel("C1").messages()[0].metadata.as_ref().unwrap()["event_payload"]["seq"], 1);

    assert_eq!(script.next().await, "connected");
    slack.wait_for("its connection", |slack| slack.sockets().pop()).await;
    let ana = slack.person("U1");
    let heard = ana.slash("C1", "/ops form").await;
    assert_eq!((heard.acked, heard.shown[0].text.as_str()), (true, "on it"));
    let view = script.next().await;
    let form = ana.views().pop().unwrap();
    assert_eq!(form.id, view);
    let (sent, values) = tokio::join!(ana.submit(&form, &[("a", "because")]), script.next());
    assert_eq!(sent.problem, None);
    assert_eq!(values["b"]["a"]["value"], "because");
    assert!(ana.views().is_empty());
    assert_eq!(slack.complaints(), Vec::<String>::new());
    slack.wait_for("a ping of its own", |slack| (slack.sockets().len() == 1).then_some(())).await;
}
