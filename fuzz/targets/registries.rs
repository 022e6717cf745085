//! A registry that asks for a login.

use shipway::{
    ErrorKind, FixedCredentials, Login,
    oci::{Client, Distribution, Label},
};
use shipway_testkit::shut_world;

use super::{
    server::{Answer, Server},
    world::{block_on, context},
};

thread_local! {
    static SERVER: Server = block_on(async { Server::start() });
}

/// Whatever a registry asks for, it is an answer or an error, after a few requests. The lines are values of
/// `WWW-Authenticate`, in which `HOST` is the registry's own address; what comes after an empty line is what its token
/// server says.
pub(crate) fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What a registry knows itself, its answer may hold.
    if text.contains("sesame") {
        return;
    }
    // Nobody but this server is ever to be asked: what might name another host is left out.
    if text.contains('@')
        || text.matches(':').count() != text.matches("http://HOST/").count() + body_colons(text)
    {
        return;
    }
    SERVER.with(|server| {
        let (lines, token) = text.split_once("\n\n").unwrap_or((text, ""));
        let lines = lines.replace("HOST", server.host());
        let mut headers = Vec::new();
        for line in lines.lines() {
            let value: Vec<u8> = line.bytes().filter(|byte| !byte.is_ascii_control()).collect();
            headers.extend([b"www-authenticate: ", &*value, b"\r\n"].concat());
        }
        let challenge = Answer { status: 401, headers, body: Vec::new() };
        let token = Answer { status: 200, headers: Vec::new(), body: token.as_bytes().to_owned() };
        server
            .answers(move |_, path| if path.starts_with("/v2/") { challenge.clone() } else { token.clone() });
        let login = FixedCredentials::new().login(server.host(), Login::new("me", "open sesame"));
        let cx = context(shut_world().credentials(login));
        let client = Client::builder().attempts(1).build().expect("a client");
        let repository = client.repository(&cx, &format!("{}/app", server.host())).expect("a repository");
        let label = Label::Tag(shipway::Tag::parse("1").expect("a tag"));
        let answer = block_on(repository.manifest(&label));
        let error = answer.expect_err("nobody is let in");
        assert!(
            matches!(error.kind(), ErrorKind::Auth | ErrorKind::BadOutput | ErrorKind::Config),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("open sesame"), "{error:?}");
        assert!(server.asked() < 10, "asked {} times", server.asked());
    });
}

/// Returns how many colons there are in what the token server says, which names nobody.
fn body_colons(text: &str) -> usize {
    text.split_once("\n\n").map_or(0, |(_, body)| body.replace("http://HOST/", "").matches(':').count())
}
