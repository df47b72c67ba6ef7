//! `vlunet info --ops`: what a bundle's models compute in, counted in their files.

use crate::args::Size;
use crate::output;
use serde_json::{Value, json};
use vlunet::Result;
use vlunet::arch::DEGRADATION_DIM;
use vlunet::bundle::{Bundle, Dtype};
use vlunet::quantize::{Operations, operations};

/// What a bundle's models compute in.
pub struct Counted {
    dtype: Dtype,
    /// The padded size, width and height.
    size: (usize, usize),
    restorer: Vec<Operations>,
    head: Option<Vec<Operations>>,
}

impl Counted {
    /// Counts a variant of a bundle, the best where none is named, at a picture size.
    pub fn of(bundle: &Bundle, dtype: Option<Dtype>, size: Size) -> Result<Self> {
        let variant = bundle.variant(dtype)?;
        let manifest = bundle.manifest();
        let side = |pixels: u32| (pixels as usize).next_multiple_of(manifest.config.multiple());
        let (width, height) = (side(size.width), side(size.height));
        let entry = &variant.restorer;
        let shapes: [(&str, &[usize]); 2] =
            [("image", &[1, 3, height, width]), ("degradation", &[1, DEGRADATION_DIM])];
        let restorer = operations(&bundle.read(entry)?, &entry.file, &shapes)?;
        let head = match (&manifest.vlm, &variant.vlm) {
            (Some(head), Some(entry)) => {
                let side = head.config.image_size;
                Some(operations(&bundle.read(entry)?, &entry.file, &[("image", &[1, 3, side, side])])?)
            }
            _ => None,
        };
        Ok(Self { dtype: variant.dtype, size: (width, height), restorer, head })
    }

    /// The restorer's multiply-accumulates by number format.
    pub fn macs_by_dtype(&self) -> Value {
        by_dtype(&self.restorer)
    }

    /// Fields that `--ops` adds to the JSON.
    pub fn fields(&self) -> [(&'static str, Value); 3] {
        let head = self.head.as_ref();
        let head = head.map(|head| json!({ "macs_by_dtype": by_dtype(head), "ops": list(head) }));
        [("dtype", json!(self.dtype)), ("ops", list(&self.restorer)), ("vlm", json!(head))]
    }

    /// Prints tables.
    pub fn show(&self) -> Result<()> {
        let (width, height) = self.size;
        output::line(format!("restorer.{}.onnx at {width}x{height}", self.dtype))?;
        show(&self.restorer)?;
        let Some(head) = &self.head else { return Ok(()) };
        output::line(format!("vlm.{}.onnx", self.dtype))?;
        show(head)
    }
}

fn total(operations: &[Operations]) -> u64 {
    operations.iter().map(|operation| operation.macs).sum()
}

/// Multiply-accumulates in each number format, the most used first.
fn sums(operations: &[Operations]) -> Vec<(Dtype, u64)> {
    let sum = |dtype: Dtype| operations.iter().filter(|o| o.dtype == dtype).map(|o| o.macs).sum();
    let mut sums = [Dtype::F32, Dtype::F16, Dtype::Int8].map(|dtype| (dtype, sum(dtype))).to_vec();
    sums.retain(|(_, macs)| *macs > 0);
    sums.sort_by_key(|(_, macs)| std::cmp::Reverse(*macs));
    sums
}

fn by_dtype(operations: &[Operations]) -> Value {
    sums(operations).into_iter().map(|(dtype, macs)| (dtype.to_string(), Value::from(macs))).collect()
}

fn list(operations: &[Operations]) -> Value {
    let entry = |Operations { kind, dtype, nodes, macs }: &Operations| json!({ "op": kind, "dtype": dtype, "nodes": nodes, "macs": macs });
    operations.iter().map(entry).collect()
}

fn show(operations: &[Operations]) -> Result<()> {
    let whole = total(operations).max(1) as f64;
    let columns =
        |macs: u64| [format!("{:.1}", macs as f64 / 1e6), format!("{:.1} %", 100.0 * macs as f64 / whole)];
    let mut table = output::table(&["operator", "computes in", "nodes", "MMAC", "share"], false);
    for Operations { kind, dtype, nodes, macs } in operations {
        let [megas, share] = columns(*macs);
        table.add_row([kind.clone(), dtype.to_string(), nodes.to_string(), megas, share]);
    }
    for (dtype, macs) in sums(operations) {
        let nodes: u64 = operations.iter().filter(|o| o.dtype == dtype).map(|o| o.nodes).sum();
        let [megas, share] = columns(macs);
        table.add_row(["all".into(), dtype.to_string(), nodes.to_string(), megas, share]);
    }
    output::line(table)
}
