//! The reproducible layer writer: entries in, a compressed tar out as a stream, whose bytes
//! depend on the entries alone and not on the machine, the clock or the count of threads.

mod entry;
mod header;
mod members;
mod pieces;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub use self::{
    entry::{Content, Device, LayerEntry},
    members::{Compression, CompressionFormat},
    pieces::LAYER_FORM,
    stream::{LayerStream, LayerSummary},
    write::write_layer,
};
