//! What the float model is shown: pictures in every degradation, as they come from the field.

use super::calibrate::Sample;
use crate::eval::degrade::draw::{Degrade, Kind};
use crate::frame::{Planes, from_rgb8};
use crate::picture::{Limits, Picture, folder};
use crate::vlm::{Detector, preprocess};
use crate::{Error, Result, bundle};
use image::RgbImage;
use ndarray::Axis;
use std::path::Path;

/// Kinds of degradation, each as often as the others.
const KINDS: [Kind; 8] = [
    Kind::Noise,
    Kind::RainLight,
    Kind::Haze,
    Kind::LowLight,
    Kind::MotionBlur,
    Kind::SensorNoise,
    Kind::RainHeavy,
    Kind::Clear,
];

/// Spread (standard deviation) below which a channel of a picture holds nothing, of 255.
const BLANK: f64 = 3.0;

/// Degraded pictures of one size, with their clean forms.
pub(super) struct Pictures(Vec<(RgbImage, RgbImage)>);

/// What the restorer is given, and what it should give.
pub(super) struct Scene {
    pub(super) inputs: Sample,
    pub(super) clean: Planes,
}

impl Pictures {
    /// `count` squares of `side` pixels out of the clean pictures in a folder, each degraded in
    /// another way; the same folder gives the same ones.
    ///
    /// # Errors
    /// [`Error::Input`] where the folder has no picture of that size; as reading pictures.
    pub(super) fn of_folder(folder: &Path, side: u32, count: usize) -> Result<Self> {
        Self::beside(folder, side, 0, count)
    }

    /// Refuses pictures that hold next to nothing, of which there would be ranges of nothing; warns of
    /// some.
    ///
    /// # Errors
    /// [`Error::Input`] where all are blank.
    pub(super) fn check_contents(&self, folder: &Path) -> Result<()> {
        let (blank, all) = (self.0.iter().filter(|(_, clean)| is_blank(clean)).count(), self.0.len());
        let folder = folder.display();
        if blank == all {
            return Err(Error::Input(format!(
                "{folder}: its pictures are blank or nearly so: calibrate with pictures of the kind that the \
                 model is for"
            )));
        }
        if blank > 0 {
            log::warn!("{blank} of {all} squares out of {folder} are blank or nearly so, and tell no ranges");
        }
        Ok(())
    }

    /// The same beyond the first ones: other pictures where there are enough, other places and
    /// degradations in any case.
    pub(super) fn beside(folder: &Path, side: u32, first: usize, count: usize) -> Result<Self> {
        let files = folder::list(folder, true)?;
        let mut clean = Vec::new();
        for file in &files {
            let picture = Picture::open(file, &Limits::default())?;
            let rgb = crate::frame::to_rgb8(picture.planes.view());
            if rgb.width() >= side && rgb.height() >= side {
                clean.push(rgb);
            }
            // As many as are used, and no more in memory.
            if clean.len() == first + count {
                break;
            }
        }
        if clean.is_empty() {
            let found = files.len();
            let folder = folder.display();
            return Err(Error::Input(format!(
                "{folder}: none of its {found} pictures has {side}x{side} pixels, which calibration takes"
            )));
        }
        let degraded = (first..first + count).map(|index| {
            let whole = &clean[index % clean.len()];
            // Another place in each round over the pictures.
            let place = |extent: u32| ((index as u32 * 97 + 31) * 13) % (extent - side + 1);
            let (x, y) = (place(whole.width()), place(whole.height()));
            let square = image::imageops::crop_imm(whole, x, y, side, side).to_image();
            let picture = Degrade::of(KINDS[index % KINDS.len()]).draw(&square, index as u64).picture;
            (picture, square)
        });
        Ok(Self(degraded.collect()))
    }

    fn planes(&self) -> impl Iterator<Item = Planes> + '_ {
        self.0.iter().map(|(degraded, _)| from_rgb8(degraded))
    }

    /// Inputs of the restorer, each with the d_I that the head sees in it.
    pub(super) fn for_restorer(&self, detector: &mut Detector) -> Result<Vec<Sample>> {
        let sample = |planes: Planes| {
            let degradation = detector.detect(planes.view())?.degradation;
            let image = planes.insert_axis(Axis(0)).into_dyn();
            Ok(vec![("image", image), ("degradation", degradation.as_row().to_owned())])
        };
        self.planes().map(sample).collect()
    }

    /// The same, with what should come out.
    pub(super) fn scenes(&self, detector: &mut Detector) -> Result<Vec<Scene>> {
        let clean = self.0.iter().map(|(_, clean)| from_rgb8(clean));
        let inputs = self.for_restorer(detector)?;
        Ok(inputs.into_iter().zip(clean).map(|(inputs, clean)| Scene { inputs, clean }).collect())
    }

    /// Inputs of the VLM head.
    pub(super) fn for_head(&self, head: &bundle::VlmManifest) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for planes in self.planes() {
            let squares = preprocess(planes.view(), head.config.image_size, &head.preprocessing)?;
            let inputs = squares.into_iter().map(|square| square.insert_axis(Axis(0)).into_dyn());
            samples.extend(inputs.map(|image| vec![("image", image)]));
        }
        Ok(samples)
    }
}

/// Whether all of a picture is of one colour, but for a spread that noise has.
fn is_blank(picture: &RgbImage) -> bool {
    let pixels = f64::from(picture.width() * picture.height());
    let variance = |channel: usize| {
        let values = || picture.pixels().map(|pixel| f64::from(pixel.0[channel]));
        let mean = values().sum::<f64>() / pixels;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / pixels
    };
    (0..3).all(|channel| variance(channel) < BLANK * BLANK)
}
