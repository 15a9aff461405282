//! What goes over a control socket can be read back, and nothing else can.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use api::Config;
use api::control::{
    Apply, Client, ClientError, Command, Failure, FlowOrder, FlowQuery, Lines, MAX_REQUEST, Message, Observe,
    Reason, Reply, Request, Role, Status, Tokens,
};
use proptest::prelude::*;

fn commands() -> Vec<Command> {
    vec![
        Command::Status,
        Command::Counters,
        Command::Flows(FlowQuery { filter: Some("tcp".into()), limit: 7, order: FlowOrder::Oldest }),
        Command::Protocols,
        Command::Observe(Observe { types: vec!["tls".into()], ..Observe::default() }),
        Command::ConfigShow { revision: None },
        Command::ConfigHistory { limit: 3 },
        Command::ConfigCheck { text: "version = 1\n".into(), source: "a\n\"b".into() },
        Command::ConfigDiff { from: 1, to: Some(2) },
        Command::ConfigApply(Apply { confirm_within_s: Some(600), ..Apply::default() }),
        Command::ConfigConfirm,
        Command::ConfigRollback { revision: Some(4) },
        Command::Restart,
        Command::Stop,
        Command::Tokens(Tokens::Create { name: "p".into(), role: Role::Viewer, expires_in_s: Some(9) }),
        Command::Configure { text: String::new() },
    ]
}

#[test]
fn every_command_is_one_line_that_reads_back_and_names_itself() {
    for command in commands() {
        let request = Request::new(u64::MAX, command);
        let line = request.to_line();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(Request::from_line(&line).unwrap(), request);
        let text = String::from_utf8(line).unwrap();
        assert!(text.contains(&format!("\"do\":\"{}\"", request.command.name())), "{text}");
    }
}

#[test]
fn what_changes_something_takes_more_than_looking() {
    for command in commands() {
        let looks = matches!(command.name(), "status" | "counters" | "flows" | "protocols" | "observe")
            || ["config_show", "config_history", "config_check", "config_diff"].contains(&command.name());
        assert_eq!(command.role() == Role::Viewer, looks, "{}", command.name());
    }
    let with_restart = Command::ConfigApply(Apply { restart: true, ..Apply::default() });
    assert_eq!(with_restart.role(), Role::Administrator);
}

#[test]
fn a_line_that_is_no_request_says_why_and_whose_it_is() {
    for (line, id, what) in [
        ("", 0, "EOF"),
        ("{\"version\":1,\"id\":3,\"comm", 0, "EOF"),
        ("[]", 0, "invalid"),
        ("{\"version\":1,\"id\":3,\"command\":{\"do\":\"fly\"}}", 3, "fly"),
        ("{\"version\":1,\"id\":3,\"command\":{\"do\":\"flows\",\"limi\":1}}", 3, "limi"),
        ("{\"version\":1,\"id\":3,\"command\":{\"do\":\"flows\",\"limit\":-1}}", 3, "-1"),
        ("{\"version\":1,\"id\":3,\"x\":1,\"command\":{\"do\":\"status\"}}", 3, "`x`"),
    ] {
        let bad = Request::from_line(line.as_bytes()).unwrap_err();
        assert_eq!(bad.id, id, "{line}");
        let Reason::Request { message } = bad.reason else { panic!("{:?}", bad.reason) };
        assert!(message.contains(what), "{message}");
    }
    let other =
        Request::from_line(b"{\"version\":2,\"id\":3,\"command\":{\"do\":\"what is this\"}}").unwrap_err();
    assert_eq!((other.id, other.reason), (3, Reason::Version));
}

#[test]
fn a_configuration_of_the_greatest_length_fits_into_a_request() {
    let text = "\u{1}".repeat(api::config::MAX_TEXT);
    let apply = Apply { text, ..Apply::default() };
    assert!(Request::new(1, Command::ConfigApply(apply)).to_line().len() < MAX_REQUEST);
}

#[test]
fn ports_are_compared_by_name() {
    let port = |name: &str, mtu: u16| {
        format!("[[boot.ports]]\nname = \"{name}\"\ndevice = \"net_null{name}\"\nmtu = {mtu}\n")
    };
    let read = |text: &str| Config::from_toml(text, "test").unwrap();
    let one = read(&format!("version = 1\n{}{}", port("a1", 1500), port("b2", 1500)));
    let swapped = read(&format!("version = 1\n{}{}", port("b2", 1500), port("a1", 1500)));
    assert!(one.diff(&swapped).changes.is_empty());
    let longer = read(&format!("version = 1\n{}{}", port("a1", 9000), port("b2", 1500)));
    let diff = one.diff(&longer);
    assert_eq!(diff.changes.len(), 1);
    assert_eq!(diff.changes[0].key, "boot.ports[a1].mtu");
    assert_eq!(diff.restart_needed, ["boot.ports"]);
    let fewer = read(&format!("version = 1\n{}", port("a1", 1500)));
    assert!(one.diff(&fewer).changes.iter().all(|change| change.after.is_none() && change.restart));
}

#[test]
fn the_client_skips_what_is_not_its_answer_and_tells_a_refusal() {
    let folder = std::env::temp_dir().join(format!("wirewarden-control-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = Lines::new(std::io::BufReader::new(stream.try_clone().unwrap()), 1000);
        let first = Request::from_line(lines.next_line().unwrap().unwrap()).unwrap();
        let event = Message::Event { id: 99, line: "{}".into(), dropped: 0 };
        stream.write_all(&event.to_line()).unwrap();
        let status = Box::new(Reply::Status(Status::default()));
        stream.write_all(&Message::Answer { id: first.id, reply: status }.to_line()).unwrap();
        let second = Request::from_line(lines.next_line().unwrap().unwrap()).unwrap();
        let reason = Reason::RestartNeeded { keys: vec!["boot.ports".into()] };
        stream.write_all(&Message::failed(second.id, reason).to_line()).unwrap();
    });
    let mut client = Client::connect(&path, Some(Duration::from_secs(5))).unwrap();
    assert_eq!(client.ask(Command::Status).unwrap(), Reply::Status(Status::default()));
    let refused = client.ask(Command::ConfigConfirm).unwrap_err();
    let ClientError::Failed(Failure { reason }) = &refused else { panic!("{refused}") };
    assert_eq!(reason.to_string(), "restart needed: boot.ports changed");
    server.join().unwrap();
    assert!(matches!(client.ask(Command::Status), Err(ClientError::Ended | ClientError::Io(_))));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(Client::connect(&path, None), Err(ClientError::Connect { .. })));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::from_line(&bytes);
    }

    #[test]
    fn a_cut_request_is_no_request(at in 0.0..1.0f64, which in 0..16usize) {
        let line = Request::new(1, commands()[which].clone()).to_line();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short line")]
        let cut = (at * (line.len() - 2) as f64) as usize;
        prop_assert!(Request::from_line(&line[..cut]).is_err());
    }
}
