//! The messages of BuildKit's API and of its sessions, as far as we send or read them, with the numbers
//! of moby/buildkit v0.25.2.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

/// A build (api/services/control/control.proto).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SolveRequest {
    #[prost(string, tag = "1")]
    pub(crate) reference: String,
    /// What reads [`SolveRequest::exporters`] not yet reads this (before 0.13).
    #[prost(string, tag = "3")]
    pub(crate) exporter: String,
    #[prost(btree_map = "string, string", tag = "4")]
    pub(crate) exporter_attributes: BTreeMap<String, String>,
    #[prost(string, tag = "5")]
    pub(crate) session: String,
    #[prost(string, tag = "6")]
    pub(crate) frontend: String,
    #[prost(btree_map = "string, string", tag = "7")]
    pub(crate) frontend_attributes: BTreeMap<String, String>,
    #[prost(message, optional, tag = "8")]
    pub(crate) cache: Option<CacheOptions>,
    #[prost(string, repeated, tag = "9")]
    pub(crate) entitlements: Vec<String>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) exporters: Vec<Typed>,
}

/// Where layers come from and go to beside the image.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CacheOptions {
    #[prost(message, repeated, tag = "4")]
    pub(crate) exports: Vec<Typed>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) imports: Vec<Typed>,
}

/// `CacheOptionsEntry` and `Exporter`, which are alike.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Typed {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SolveResponse {
    #[prost(btree_map = "string, string", tag = "1")]
    pub(crate) exporter_response: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatusRequest {
    #[prost(string, tag = "1")]
    pub(crate) reference: String,
}

/// What happened in a build since the last one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatusResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) vertexes: Vec<Vertex>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) statuses: Vec<VertexStatus>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) logs: Vec<VertexLog>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) warnings: Vec<VertexWarning>,
}

/// A step of a build.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Vertex {
    #[prost(string, tag = "1")]
    pub(crate) digest: String,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(bool, tag = "4")]
    pub(crate) cached: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) started: Option<Timestamp>,
    #[prost(message, optional, tag = "6")]
    pub(crate) completed: Option<Timestamp>,
    #[prost(string, tag = "7")]
    pub(crate) error: String,
}

/// A part of a step, such as a transfer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct VertexStatus {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) vertex: String,
    #[prost(message, optional, tag = "8")]
    pub(crate) completed: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct VertexLog {
    #[prost(string, tag = "1")]
    pub(crate) vertex: String,
    #[prost(int64, tag = "3")]
    pub(crate) stream: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) text: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct VertexWarning {
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) short: Bytes,
}

/// A time, of which only counts that it is there (google/protobuf/timestamp.proto).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InfoRequest {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) version: Option<BuildkitVersion>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BuildkitVersion {
    #[prost(string, tag = "2")]
    pub(crate) version: String,
}

/// Bytes of a stream in a stream (control.proto and session/sshforward/ssh.proto).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BytesMessage {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) data: Bytes,
}

/// `GetSecretRequest`, `CheckAgentRequest` and `CredentialsRequest`, which all ask by one name; a check of
/// health has a name too, which is empty.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct NameRequest {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetSecretResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CredentialsResponse {
    #[prost(string, tag = "1")]
    pub(crate) username: String,
    #[prost(string, tag = "2")]
    pub(crate) secret: String,
}

/// grpc/health/v1/health.proto.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HealthResponse {
    /// `SERVING` is 1.
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}

/// A message of the transfer of files (tonistiigi/fsutil, types/wire.proto).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Packet {
    #[prost(enumeration = "PacketKind", tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) stat: Option<Stat>,
    #[prost(uint32, tag = "3")]
    pub(crate) id: u32,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) data: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum PacketKind {
    Stat = 0,
    Request = 1,
    Data = 2,
    Finish = 3,
    Error = 4,
}

/// A file, as it is compared with what is there (tonistiigi/fsutil, types/stat.proto).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stat {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    /// Go's `os.FileMode`.
    #[prost(uint32, tag = "2")]
    pub(crate) mode: u32,
    #[prost(int64, tag = "5")]
    pub(crate) size: i64,
    /// In nanoseconds since 1970.
    #[prost(int64, tag = "6")]
    pub(crate) modified: i64,
    #[prost(string, tag = "7")]
    pub(crate) link: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes are what Go's own `proto.Marshal` makes of the same values.
    #[test]
    fn messages_are_on_the_wire_as_upstream_writes_them() {
        let stat = Stat { path: "a/b".to_owned(), mode: 0o644, size: 300, modified: 7, link: String::new() };
        let packet = Packet { kind: PacketKind::Stat as i32, stat: Some(stat), id: 0, data: Bytes::new() };
        assert_eq!(packet.encode_to_vec(), b"\x12\x0d\x0a\x03a/b\x10\xa4\x03\x28\xac\x02\x30\x07");
        let asked = Packet::decode(&b"\x08\x01\x18\x05"[..]).unwrap();
        assert_eq!((asked.kind(), asked.id), (PacketKind::Request, 5));
        let attributes = BTreeMap::from([("push".to_owned(), "true".to_owned())]);
        let exporter = Typed { kind: "image".to_owned(), attributes };
        let request = SolveRequest { exporters: vec![exporter], ..SolveRequest::default() };
        assert_eq!(request.encode_to_vec(), b"\x6a\x15\x0a\x05image\x12\x0c\x0a\x04push\x12\x04true");
    }

    #[test]
    fn what_is_cut_or_none_is_an_error() {
        let vertex = Vertex {
            name: "[1/2] RUN x".to_owned(),
            started: Some(Timestamp { seconds: 1 }),
            ..Vertex::default()
        };
        let whole = StatusResponse { vertexes: vec![vertex], ..StatusResponse::default() }.encode_to_vec();
        for cut in 1..whole.len() {
            assert!(StatusResponse::decode(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(StatusResponse::decode(&[0xff; 11][..]).is_err());
    }
}
