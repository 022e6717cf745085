//! What is built: the same files each time.

use std::{fs, io, path::Path};

/// Writes the big context, 250 MB in 10,000 files of which half does not compress, and 50 small ones.
pub(super) fn write(big: &Path, small: &Path) -> io::Result<()> {
    let mut noise = Noise(42);
    for index in 0..10_000 {
        let folder = big.join(format!("files/{}", index / 100));
        fs::create_dir_all(&folder)?;
        let mut content = Vec::with_capacity(25_000);
        while content.len() < 12_500 {
            content.extend_from_slice(&noise.next().to_le_bytes());
        }
        while content.len() < 25_000 {
            content.extend_from_slice(format!("word{} ", noise.next() % 4_000).as_bytes());
        }
        content.truncate(25_000);
        fs::write(folder.join(format!("{index}.txt")), content)?;
    }
    fs::write(big.join("Dockerfile"), "FROM scratch\nCOPY files /\n")?;
    for index in 0..50 {
        let files = small.join(format!("{index}/files"));
        fs::create_dir_all(&files)?;
        fs::write(files.join("hello.txt"), format!("hello {index}\n"))?;
        fs::write(small.join(format!("{index}/Dockerfile")), "FROM scratch\nCOPY files /\n")?;
    }
    Ok(())
}

/// Numbers that look random and are the same each time (splitmix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
