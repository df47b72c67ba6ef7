//! PyTorch checkpoints as `torch.save` writes them, and some that lie.
#![allow(dead_code)] // each test file uses a part

mod pickle;

use half::{bf16, f16};
pub use pickle::Value;
use std::io::{Cursor, Seek, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What the numbers of a storage are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
}

impl Element {
    fn storage_class(self) -> &'static str {
        match self {
            Self::F64 => "DoubleStorage",
            Self::F32 => "FloatStorage",
            Self::F16 => "HalfStorage",
            Self::BF16 => "BFloat16Storage",
            Self::I64 => "LongStorage",
        }
    }

    pub fn encode(self, numbers: &[f32]) -> Vec<u8> {
        match self {
            Self::F64 => numbers.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect(),
            Self::F32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16 => numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            Self::BF16 => numbers.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
            Self::I64 => numbers.iter().flat_map(|x| (*x as i64).to_le_bytes()).collect(),
        }
    }
}

/// A tensor's claim on a storage: `torch._utils._rebuild_tensor_v2` and its arguments.
#[derive(Clone, Debug)]
pub struct View {
    pub element: Element,
    pub key: String,
    /// How many numbers the storage is said to hold.
    pub numel: i64,
    pub offset: i64,
    pub size: Vec<i64>,
    pub stride: Vec<i64>,
}

impl View {
    /// The whole of a storage, row by row.
    pub fn contiguous(element: Element, key: &str, shape: &[usize]) -> Self {
        let size: Vec<i64> = shape.iter().map(|extent| *extent as i64).collect();
        let numel = size.iter().product();
        Self { element, key: key.into(), numel, offset: 0, stride: row_major(&size), size }
    }

    pub fn value(&self) -> Value {
        let id = Value::Tuple(vec![
            Value::text("storage"),
            Value::global("torch", self.element.storage_class()),
            Value::text(&self.key),
            Value::text("cpu"),
            Value::Int(self.numel),
        ]);
        let arguments = vec![
            Value::Persistent(Box::new(id)),
            Value::Int(self.offset),
            Value::ints(&self.size),
            Value::ints(&self.stride),
            Value::Bool(false),
            Value::Ordered(vec![]),
        ];
        Value::call("torch._utils", "_rebuild_tensor_v2", arguments)
    }
}

pub fn row_major(size: &[i64]) -> Vec<i64> {
    (0..size.len()).map(|axis| size[axis + 1..].iter().product()).collect()
}

/// The zip file of a checkpoint, written as it comes.
pub struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
    storages: usize,
}

impl Archive<Cursor<Vec<u8>>> {
    pub fn in_memory() -> Self {
        Self::new(Cursor::new(Vec::new()))
    }
}

impl<W: Write + Seek> Archive<W> {
    pub fn new(file: W) -> Self {
        Self { zip: ZipWriter::new(file), storages: 0 }
    }

    pub fn entry(&mut self, name: &str, bytes: &[u8]) {
        self.entry_by(name, bytes, CompressionMethod::Stored);
    }

    pub fn entry_by(&mut self, name: &str, bytes: &[u8], method: CompressionMethod) {
        let options = SimpleFileOptions::default().compression_method(method);
        self.zip.start_file(format!("archive/{name}"), options).unwrap();
        self.zip.write_all(bytes).unwrap();
    }

    /// Adds a storage; gives its key.
    pub fn storage(&mut self, bytes: &[u8]) -> String {
        let key = self.storages.to_string();
        self.storages += 1;
        self.entry(&format!("data/{key}"), bytes);
        key
    }

    /// A tensor in a storage of its own.
    pub fn tensor(&mut self, element: Element, shape: &[usize], numbers: &[f32]) -> Value {
        let key = self.storage(&element.encode(numbers));
        View::contiguous(element, &key, shape).value()
    }

    pub fn finish(self, root: &Value) -> W {
        self.finish_by(root, CompressionMethod::Stored)
    }

    pub fn finish_by(mut self, root: &Value, method: CompressionMethod) -> W {
        self.entry_by("data.pkl", &root.to_pickle(), method);
        self.entry("version", b"3\n");
        self.entry("byteorder", b"little");
        self.zip.finish().unwrap()
    }
}

/// The bytes of a checkpoint whose pickle is this object.
pub fn file_of(root: &Value) -> Vec<u8> {
    Archive::in_memory().finish(root).into_inner()
}

/// A field of a zip entry's header in the central directory, by its place there.
#[derive(Clone, Copy, Debug)]
pub enum ZipField {
    Method = 10,
    Checksum = 16,
    CompressedSize = 20,
    Size = 24,
    LocalHeader = 42,
}

/// Makes the central directory lie about an entry.
pub fn lie(zip: &mut [u8], entry: &str, field: ZipField, value: u32) {
    let name = format!("archive/{entry}");
    let header = zip
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window == b"PK\x01\x02")
        .map(|(at, _)| at)
        .find(|at| zip[at + 46..].starts_with(name.as_bytes()))
        .unwrap();
    let at = header + field as usize;
    let width = if matches!(field, ZipField::Method) { 2 } else { 4 };
    zip[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}
