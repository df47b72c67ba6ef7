//! Pickles as Python's `pickle` writes them (protocol 2), and some that it never would.
#![allow(dead_code)] // each test file uses a part

use std::collections::HashMap;

/// A Python object.
#[derive(Clone)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A class or function by its module and name.
    Global(String, String),
    /// What a callable returns for these arguments: where pickles get dangerous.
    Call(Box<Value>, Vec<Value>),
    /// A `collections.OrderedDict`, made empty and then filled, as pickle does.
    Ordered(Vec<(Value, Value)>),
    /// An object of a class, with its `__dict__`.
    Instance(Box<Value>, Vec<(Value, Value)>),
    /// What the id stands for outside of the pickle: a storage.
    Persistent(Box<Value>),
    /// Opcodes as they are.
    Raw(Vec<u8>),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn global(module: &str, name: &str) -> Self {
        Self::Global(module.into(), name.into())
    }

    pub fn call(module: &str, name: &str, arguments: Vec<Self>) -> Self {
        Self::Call(Box::new(Self::global(module, name)), arguments)
    }

    pub fn instance(module: &str, name: &str, attributes: Vec<(Self, Self)>) -> Self {
        Self::Instance(Box::new(Self::global(module, name)), attributes)
    }

    /// A dict with text keys.
    pub fn dict<K: Into<String>>(items: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Dict(items.into_iter().map(|(key, value)| (Self::text(key), value)).collect())
    }

    pub fn ints(numbers: &[i64]) -> Self {
        Self::Tuple(numbers.iter().map(|number| Self::Int(*number)).collect())
    }

    pub fn to_pickle(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes.extend(b"\x80\x02");
        writer.value(self);
        writer.bytes.push(b'.');
        writer.bytes
    }
}

/// Python writes dicts and lists in batches of this many items.
const BATCH: usize = 1000;

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Texts and classes are written once and then fetched.
    memo: HashMap<Vec<u8>, u32>,
}

impl Writer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::None => self.bytes.push(b'N'),
            Value::Bool(value) => self.bytes.push(if *value { 0x88 } else { 0x89 }),
            Value::Int(number) => self.int(*number),
            Value::Float(number) => {
                self.bytes.push(b'G');
                self.bytes.extend(number.to_be_bytes());
            }
            Value::Text(text) => {
                let mut bytes = vec![b'X'];
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text.as_bytes());
                self.memoized(bytes);
            }
            Value::Global(module, name) => self.memoized(format!("c{module}\n{name}\n").into_bytes()),
            Value::Tuple(items) => {
                self.bytes.push(b'(');
                items.iter().for_each(|item| self.value(item));
                self.bytes.push(b't');
            }
            Value::List(items) => {
                self.bytes.push(b']');
                for batch in items.chunks(BATCH) {
                    self.bytes.push(b'(');
                    batch.iter().for_each(|item| self.value(item));
                    self.bytes.push(b'e');
                }
            }
            Value::Dict(items) => {
                self.bytes.push(b'}');
                self.set_items(items);
            }
            Value::Call(callable, arguments) => {
                self.value(callable);
                self.value(&Value::Tuple(arguments.clone()));
                self.bytes.push(b'R');
            }
            Value::Ordered(items) => {
                self.value(&Value::call("collections", "OrderedDict", vec![]));
                self.set_items(items);
            }
            Value::Instance(class, attributes) => {
                self.value(class);
                self.bytes.extend(b")\x81}");
                self.set_items(attributes);
                self.bytes.push(b'b');
            }
            Value::Persistent(id) => {
                self.value(id);
                self.bytes.push(b'Q');
            }
            Value::Raw(opcodes) => self.bytes.extend(opcodes),
        }
    }

    fn int(&mut self, number: i64) {
        if let Ok(number) = u8::try_from(number) {
            self.bytes.extend([b'K', number]);
        } else if let Ok(number) = i32::try_from(number) {
            self.bytes.push(b'J');
            self.bytes.extend(number.to_le_bytes());
        } else {
            self.bytes.extend([0x8a, 8]);
            self.bytes.extend(number.to_le_bytes());
        }
    }

    fn set_items(&mut self, items: &[(Value, Value)]) {
        for batch in items.chunks(BATCH) {
            self.bytes.push(b'(');
            for (key, value) in batch {
                self.value(key);
                self.value(value);
            }
            self.bytes.push(b'u');
        }
    }

    fn memoized(&mut self, opcodes: Vec<u8>) {
        if let Some(index) = self.memo.get(&opcodes) {
            self.bytes.push(b'j');
            self.bytes.extend(index.to_le_bytes());
            return;
        }
        let index = self.memo.len() as u32;
        self.bytes.extend(&opcodes);
        self.bytes.push(b'r');
        self.bytes.extend(index.to_le_bytes());
        self.memo.insert(opcodes, index);
    }
}
