//! OCI images: layers, layouts, a registry client, an in-process registry, and the door to images
//! over all of them.

mod distribution;

// Images themselves: layers, their configuration and manifests, layouts, and looking into them.
mod carry;
mod config;
mod digest;
mod inspect;
mod json;
mod layer;
mod layout;
mod lock;
mod manifest;
pub mod media;
mod referrers;
mod stop;
mod thread;
mod write;

pub use self::distribution::{BlobReader, Descriptor, Distribution, Label, RawManifest};
pub use self::{
    config::{Healthcheck, History, ImageConfig, created_at, source_date_epoch},
    digest::{Hasher, digest_of, verified},
    inspect::{
        Archive, FileKind, FoundFile, ImageFiles, InspectedImage, Limits, Origin, Program, TarEntry, TarKind,
        find_file, read_image, resolve_program, same_platform,
    },
    json::to_bytes as sorted_json,
    layer::{
        Compression, CompressionFormat, Content, Device, LAYER_FORM, LayerEntry, LayerStream, LayerSummary,
        write_layer,
    },
    layout::Layout,
    manifest::{AnyManifest, ImageIndex, ImageManifest},
    write::write_image,
};

// Registries, and the door to images.
mod cache;
mod client;
mod docker_config;
mod images;
#[cfg(feature = "oci-client")]
mod oci_crate;
mod reference;
mod registry;

#[cfg(feature = "oci-client")]
pub use self::oci_crate::OciClientRepository;
pub use self::{
    cache::RegistryCache,
    client::{Client, ClientBuilder, HostOptions, RemoteRepository},
    docker_config::DockerConfig,
    images::Stores,
    reference::Reference,
    registry::{Fault, Registry, RegistryBuilder, RegistryRequest},
};
