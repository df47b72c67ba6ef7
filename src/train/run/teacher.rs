//! A teacher: a trained restorer, whose pictures a student learns from (distillation).

use super::RunFolder;
use crate::bundle::{Bundle, Dtype};
use crate::onnx::restorer_weights;
use crate::train::network::VluNet;
use crate::train::parameters::Parameters;
use crate::weights::Weights;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// A teacher: a restorer with its weights.
pub struct Taught {
    network: VluNet,
    parameters: Parameters,
    teacher: Teacher,
}

/// Which restorer a teacher is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Name and version of its bundle, for people.
    pub name: String,
    /// SHA-256 of its float32 model.
    pub sha256: String,
}

impl Taught {
    /// The restorer of a bundle.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the bundle has no float32 model, [`Error::Weights`] where that
    /// isn't one of ours.
    pub fn open(bundle: &Bundle, device: &Device) -> Result<Self> {
        let manifest = bundle.manifest();
        let table = manifest.config.parameters();
        let parameters = Parameters::from_weights(&table, &restorer_of(bundle)?, device)?;
        let name = format!("{} {}", manifest.name, manifest.version);
        let sha256 = bundle.variant(Some(Dtype::F32))?.restorer.sha256.clone();
        let teacher = Teacher { name, sha256 };
        Ok(Self { network: VluNet::new(manifest.config.clone()), parameters, teacher })
    }

    /// Which restorer it is.
    pub(super) fn teacher(&self) -> &Teacher {
        &self.teacher
    }

    /// Its picture, as a constant of the student's graph.
    pub(super) fn picture(&self, image: Tensor<4>, d: &Tensor<2>) -> Tensor<4> {
        let image = image.inner();
        let parameters = self.parameters.to_device(&image.device());
        self.network.restore(&parameters, image, &d.clone().inner()).autodiff()
    }

    /// That it can take every patch of a student whose sides are multiples of this.
    pub(super) fn check_multiple(&self, multiple: usize) -> Result<()> {
        let own = self.network.config().multiple();
        if multiple.is_multiple_of(own) {
            return Ok(());
        }
        Err(Error::Train(format!(
            "the teacher {} takes patches whose sides are multiples of {own}, the recipe's network of \
             {multiple}; take a teacher with a smaller stem",
            self.teacher.name
        )))
    }
}

/// The weights of a bundle's float32 restorer.
pub(super) fn restorer_of(bundle: &Bundle) -> Result<Weights> {
    let file = &bundle.variant(Some(Dtype::F32))?.restorer;
    restorer_weights(&bundle.manifest().config, &bundle.read(file)?)
}

/// That a run is resumed with the teacher that it began with: `own` is what its checkpoint says.
pub(super) fn check(folder: &RunFolder, own: Option<&Teacher>, given: Option<&Taught>) -> Result<()> {
    let why = match (own, given.map(Taught::teacher)) {
        (Some(own), None) => format!("learns from {}; give it by --teacher again", own.name),
        (Some(own), Some(given)) if own.sha256 != given.sha256 => {
            format!("learns from {}, and this is another model; give that one, or start a new run", own.name)
        }
        (None, Some(_)) => "has no teacher; leave --teacher out, or start a new run with --from it".into(),
        _ => return Ok(()),
    };
    Err(Error::Train(format!("the run in {} {why}", folder.path().display())))
}
