//! The steps of an installation, in their order. Whoever installs is told each one as it is done:
//! for progress, for the log, and for the test that cuts the power after every one.

use std::fmt;

/// What was just done. Between two steps at most one thing changes on the disk that the next
/// start of the loop could see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The manifest's signature is that of a trusted key.
    Trusted,
    /// Nobody else installs, and the version may be installed here.
    Admitted,
    /// What an installation before was cut in, and versions that nobody needs, are gone.
    Cleared,
    /// A folder aside is there.
    Aside,
    /// One more file is unpacked into it, is what the manifest says, and is on the disk.
    Unpacked,
    /// The folder itself is on the disk.
    Synced,
    /// The golden frame comes out right, fast enough.
    Tested,
    /// The folder has its final name.
    Placed,
    /// It is noted that this version is to prove itself.
    Noted,
    /// A link to the last good version is made, under a temporary name.
    KeptAside,
    /// `previous` is the last good version.
    Kept,
    /// A link to the new version is made, under a temporary name.
    LinkedAside,
    /// `current` is the new version.
    Switched,
    /// The switch is on the disk.
    Done,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 14] = [
        Self::Trusted,
        Self::Admitted,
        Self::Cleared,
        Self::Aside,
        Self::Unpacked,
        Self::Synced,
        Self::Tested,
        Self::Placed,
        Self::Noted,
        Self::KeptAside,
        Self::Kept,
        Self::LinkedAside,
        Self::Switched,
        Self::Done,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trusted => "the signature is right",
            Self::Admitted => "the version may be installed",
            Self::Cleared => "what was left over is gone",
            Self::Aside => "a folder aside is made",
            Self::Unpacked => "a file is unpacked and whole",
            Self::Synced => "all files are on the disk",
            Self::Tested => "the self-test is passed",
            Self::Placed => "the folder has its final name",
            Self::Noted => "the probation is noted",
            Self::KeptAside => "a link to the last good version is made",
            Self::Kept => "the last good version is kept",
            Self::LinkedAside => "a link to the new version is made",
            Self::Switched => "the new version is the current one",
            Self::Done => "the switch is on the disk",
        })
    }
}
