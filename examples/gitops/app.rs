//! The application: it says hello to whoever asks.

use std::{io::Write, net::TcpListener};

fn hello() -> &'static str {
    "Hello World!\n"
}

fn main() -> std::io::Result<()> {
    for stream in TcpListener::bind("0.0.0.0:8080")?.incoming() {
        let (mut stream, body) = (stream?, hello());
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}

#[test]
fn it_says_hello() {
    assert_eq!(hello(), "Hello World!\n");
}
