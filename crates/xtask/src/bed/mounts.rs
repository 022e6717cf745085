//! What daemons mount, and what they leave in fixed places: it is seen by them and by their containers only.

use super::{Bed, parts::words};

/// Gives a daemon mounts of its own, which go with it. What it leaves in fixed places (shims' sockets, Docker's
/// key, kubelet's links to logs) is in them too, Docker finds its certificates of registries in the one place
/// where it looks, and the machine's settings that kubelet wants otherwise are copies.
const OWN_MOUNTS: &str = r#"
set -e
bed=$1 certificates=$2
shift 2
mount -t tmpfs bed /run
mkdir /run/bed /run/settings
for place in etc var/lib; do
    mkdir -p "/run/above/$place" "/run/work/$place"
done
cp -R "$certificates" /run/above/etc/docker
mount --rbind "$bed" /run/bed
for place in etc var/lib; do
    mount -t overlay -o "lowerdir=/$place,upperdir=/run/above/$place,workdir=/run/work/$place" bed "/$place"
done
mount --rbind /run/bed "$bed"
umount --lazy /run/bed
mount -t tmpfs bed /var/log
cd /proc/sys
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_max*; do
    copy=/run/settings/$(basename "$name")
    cat "$name" > "$copy"
    mount --bind "$copy" "$name"
done
cd "$bed"
mount --make-rshared /
exec "$@"
"#;

/// Returns a command with mounts of its own: those of the host come in, none go out, and containers share
/// them.
pub(super) fn in_own_mounts(bed: &Bed, command: &[&str]) -> Vec<String> {
    let certificates = bed.path("etc-docker").display().to_string();
    let folder = bed.folder().display().to_string();
    let before = [
        "unshare",
        "--mount",
        "--propagation",
        "slave",
        "sh",
        "-c",
        OWN_MOUNTS,
        "sh",
        &folder,
        &certificates,
    ];
    words(&[&before[..], command].concat())
}

/// Returns a command that sees the mounts that containerd makes, and makes those that containers see.
pub(super) fn in_mounts_of_containerd(command: &[String]) -> Vec<String> {
    let enter = r#"exec nsenter --mount=/proc/"$(cut -d: -f1 run/containerd.process)"/ns/mnt "$@""#;
    [words(&["sh", "-c", enter, "sh"]), command.to_vec()].concat()
}
