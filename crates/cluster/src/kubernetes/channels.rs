//! A conversation with a process in a container: its streams as channels of one WebSocket.

use std::{convert::Infallible, future, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::client::Connection;
use shipway_core::{Context, Result, Stream};
use tokio_tungstenite::tungstenite::Message;

/// The channels' numbers (`v5.channel.k8s.io`: k8s.io/apimachinery, `remotecommand/constants.go`).
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

/// The most that a message carries; servers take 32 KiB and more of one.
const PIECE: usize = 32 * 1024;

/// How often something is sent where there is nothing to say, for whoever ends what is idle on the way.
const IDLE: Duration = Duration::from_secs(60);

/// Feeds a process and hands over what it prints, until it ends; there is no status where the connection
/// broke off.
///
/// What comes is read also while nobody takes what is sent: a process that answers as it reads would otherwise
/// wait for us, and we for it. (`kube`'s own loop does one after the other.)
pub(super) async fn converse(
    cx: &Context,
    connection: Connection,
    input: Option<&[u8]>,
    output: &mut (impl FnMut(Stream, &[u8]) + Send),
) -> Result<Option<Status>> {
    let can_close = connection.supports_stream_close();
    let (mut to, mut from) = connection.into_stream().split();
    let reading = async {
        // A broken connection is seen as the end is: there was no status.
        while let Some(Ok(message)) = from.next().await {
            let Message::Binary(bytes) = message else { continue };
            match bytes.split_first() {
                Some((&STDOUT, bytes)) if !bytes.is_empty() => output(Stream::Stdout, bytes),
                Some((&STDERR, bytes)) if !bytes.is_empty() => output(Stream::Stderr, bytes),
                // It comes when both streams have been sent whole.
                Some((&STATUS, status)) => return serde_json::from_slice(status).ok(),
                _ => {}
            }
        }
        None
    };
    let writing = async {
        let mut send = async |message| match to.send(message).await {
            Ok(()) => (),
            // Whoever reads hears why.
            Err(_) => future::pending().await,
        };
        if let Some(input) = input {
            for piece in input.chunks(PIECE) {
                send(Message::binary(channel(STDIN, piece))).await;
            }
            // Older clusters (before 1.30) have no way to say it.
            if can_close {
                send(Message::binary(channel(CLOSE, &[STDIN]))).await;
            }
        }
        loop {
            cx.clock().sleep(IDLE).await;
            send(Message::Ping(Bytes::new())).await;
        }
    };
    tokio::select! {
        biased;
        status = reading => Ok(status),
        never = async { let never: Infallible = writing.await; never } => match never {},
        stopped = cx.stopped() => Err(stopped),
    }
}

fn channel(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(number);
    message.extend_from_slice(bytes);
    message
}
