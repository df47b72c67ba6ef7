//! The machine that the program runs on: what is known of its kind, its heat and power, its
//! pins and cores.
//!
//! ```
//! use vlunet::board::Board;
//!
//! let board = Board::detect("/".as_ref())?;
//! println!("{}: source {}", board.profile.title, board.profile.camera);
//! # Ok::<(), vlunet::Error>(())
//! ```

pub mod affinity;
pub mod gpio;
pub mod profile;
#[cfg(target_os = "linux")]
mod slice;
pub(crate) mod sysfs;
pub mod thermal;

use crate::Result;
use crate::bundle::{Bundle, Dtype};
use profile::Profile;
use std::path::{Path, PathBuf};

/// A machine and the profile of its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// What is known of its kind.
    pub profile: Profile,
    /// What the machine calls itself, where it does: `Raspberry Pi 5 Model B Rev 1.0`.
    pub model: Option<String>,
    root: PathBuf,
}

impl Board {
    /// The machine whose `/proc` and `/sys` lie under `root` (`/`), with the first embedded
    /// profile that fits its device tree, else the generic one.
    ///
    /// # Errors
    /// None in a build whose tests pass: the embedded profiles are sound.
    pub fn detect(root: &Path) -> Result<Self> {
        let compatible = sysfs::text(&root.join("proc/device-tree/compatible")).unwrap_or_default();
        // The most specific string comes first.
        let mut fitting = None;
        for name in compatible.split('\0').filter(|name| !name.is_empty()) {
            for profile in Profile::embedded() {
                let profile = profile?;
                if fitting.is_none() && profile.fits(name) {
                    fitting = Some(profile);
                }
            }
        }
        let profile = fitting.map_or_else(Profile::generic, Ok)?;
        Ok(Self::with(profile, root))
    }

    /// This machine with a profile by its name or by the path of its file.
    ///
    /// # Errors
    /// As [`Profile::find`].
    pub fn named(name_or_path: &str, root: &Path) -> Result<Self> {
        Ok(Self::with(Profile::find(name_or_path)?, root))
    }

    fn with(profile: Profile, root: &Path) -> Self {
        let model = ["proc/device-tree/model", "sys/class/dmi/id/product_name"]
            .iter()
            .filter_map(|path| sysfs::text(&root.join(path)))
            .map(|text| crate::error::one_line(text.trim_end_matches('\0')))
            .find(|text| !text.is_empty());
        Self { profile, model, root: root.to_owned() }
    }

    /// The folder that `/proc` and `/sys` lie in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The number format that the profile wishes for, where the bundle offers it.
    pub fn dtype_of(&self, bundle: &Bundle) -> Option<Dtype> {
        self.profile.model.dtype.filter(|dtype| bundle.variant(Some(*dtype)).is_ok())
    }

    /// Reads the machine's heat and power.
    pub fn thermal(&self) -> thermal::Thermal {
        thermal::Thermal::new(self)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes files under a folder, which stands for `/`.
    pub(crate) fn lay_out(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_board_is_known_by_its_device_tree() {
        let root = tempfile::tempdir().unwrap();
        lay_out(
            root.path(),
            &[
                ("proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0"),
                ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
            ],
        );
        let board = Board::detect(root.path()).unwrap();
        assert_eq!(board.profile.name, "raspberry-pi-5");
        assert_eq!(board.model.as_deref(), Some("Raspberry Pi 5 Model B Rev 1.0"));
        let named = Board::named("rock-5b", root.path()).unwrap();
        assert_eq!((&*named.profile.name, named.model), ("rock-5b", board.model));
    }

    #[test]
    fn a_machine_without_a_known_device_tree_is_generic() {
        let root = tempfile::tempdir().unwrap();
        let board = Board::detect(root.path()).unwrap();
        assert_eq!((&*board.profile.name, board.model), ("generic-pc", None));
        lay_out(
            root.path(),
            &[
                ("proc/device-tree/compatible", "linux,dummy-virt\0"),
                ("sys/class/dmi/id/product_name", "Standard PC\n"),
            ],
        );
        let board = Board::detect(root.path()).unwrap();
        assert_eq!((&*board.profile.name, board.model.as_deref()), ("generic-pc", Some("Standard PC")));
    }

    #[test]
    fn a_number_format_is_taken_only_where_the_bundle_has_it() {
        let bundle = Bundle::open(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/nano"))).unwrap();
        let mut board = Board::named("generic-pc", Path::new("/")).unwrap();
        assert_eq!(board.dtype_of(&bundle), None);
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Int8] {
            board.profile.model.dtype = Some(dtype);
            let offered = bundle.manifest().variants.iter().any(|variant| variant.dtype == dtype);
            assert_eq!(board.dtype_of(&bundle), offered.then_some(dtype));
        }
    }
}
