//! Small sound files to damage: what fuzzing starts from.
#![allow(dead_code)] // each user takes a part

use super::bundle;
use super::checkpoint::{Archive, Element, Value, View, ZipField, lie};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Checkpoints with a few tensors, in all the ways that a pickle can hold them.
pub fn checkpoints() -> Vec<Vec<u8>> {
    let mut archive = Archive::in_memory();
    let weight = archive.tensor(Element::F32, &[4, 3, 1, 1], &[0.5; 12]);
    let half = archive.tensor(Element::F16, &[2, 2], &[1.0; 4]);
    let key = archive.storage(&Element::BF16.encode(&[2.0; 8]));
    let turned = View { stride: vec![1, 2], ..View::contiguous(Element::BF16, &key, &[2, 4]) };
    let tensors = vec![
        (Value::text("net.patch_embed.proj.weight"), weight),
        (Value::text("net.half"), half.clone()),
        (Value::text("net.turned"), turned.value()),
    ];
    let options = vec![(Value::text("lr"), Value::Float(2e-4)), (Value::text("seed"), Value::None)];
    let root = Value::dict([
        ("epoch", Value::Int(149)),
        ("state_dict", Value::Ordered(tensors)),
        ("optimizer_states", Value::List(vec![Value::Dict(vec![(Value::Int(0), half)])])),
        ("hyper_parameters", Value::instance("argparse", "Namespace", options)),
        ("payload", Value::call("os", "system", vec![Value::text("true")])),
    ]);
    let mut lightning = archive.finish(&root).into_inner();
    // No checksum, so that damage to the pickle is seen by its reader.
    lie(&mut lightning, "data.pkl", ZipField::Checksum, 0);

    let mut archive = Archive::in_memory();
    let scalar = archive.tensor(Element::F64, &[], &[3.0]);
    let mut bare = archive.finish(&Value::dict([("r", scalar)])).into_inner();
    lie(&mut bare, "data.pkl", ZipField::Checksum, 0);

    let header = br#"{"net.a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[],"data_offsets":[8,10]}}"#;
    let safetensors = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 10]].concat();
    vec![lightning, bare, safetensors]
}

/// A whole packed bundle, and a manifest alone.
pub fn bundles() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("seed.vlu");
    bundle::builder(bundle::identity()).write(&packed).unwrap();
    bundle::builder(bundle::identity()).write(&folder.path().join("seed")).unwrap();
    vec![std::fs::read(packed).unwrap(), std::fs::read(folder.path().join("seed/manifest.toml")).unwrap()]
}

/// A bundle's signature, its trusted comment, and the notes on a model's versions.
pub fn updates() -> Vec<Vec<u8>> {
    // Made with a key that signs nothing else.
    let signature = SIGNATURE.to_vec();
    let comment = b"timestamp:1790000000\tbundle:tiny\tversion:1.2.3".to_vec();
    let notes = b"format = 1\nhighest = \"1.1.0\"\nrejected = [\"1.2.0-0123456789ab\"]\n\n\
        [probation.\"1.3.0-rc.1-ba9876543210\"]\nstarts = 1\nhealthy_s = 30\nneeded_s = 600\n";
    vec![signature, comment, notes.to_vec()]
}

const SIGNATURE: &[u8] = b"untrusted comment: signature of manifest.toml, whose hashes cover the bundle\n\
    RUSJxFKJ1i9/yx3YR/LK7rMkHNn+/2Ps9Pn0o+2qACA6Bp+jdxyzeVQUDkAHgn1wg2hpE1ivzioGROY3qiCG2dF2sTPIpEfyEQs=\n\
    trusted comment: timestamp:1795939126\tbundle:nano\tversion:0.4.0\n\
    nUAzTedjUCFrsVCSyIDinXTILd28VGE2H/+DNJRRN5+IABXx/dEOqD8t8aUa2Fbs7XSoJGyaF+IAUiK2DWPTCQ==\n";

/// JPEG files of the size that the frames' body looks for: whole, and as webcams send them,
/// without Huffman tables. They are long enough for a frame of any other format.
pub fn frames() -> Vec<Vec<u8>> {
    let picture = RgbImage::from_fn(24, 16, |x, y| Rgb([10 * x as u8, 15 * y as u8, (x * y) as u8]));
    let mut whole = Cursor::new(Vec::new());
    picture.write_to(&mut whole, ImageFormat::Jpeg).unwrap();
    let whole = [whole.into_inner(), vec![0; 600]].concat();
    let mut bare = whole[..2].to_vec();
    let mut at = 2;
    while whole[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        if whole[at + 1] != 0xC4 {
            bare.extend_from_slice(&whole[at..end]);
        }
        at = end;
    }
    bare.extend_from_slice(&whole[at..]);
    vec![whole, bare]
}

/// A picture in every format that is read.
pub fn pictures() -> Vec<Vec<u8>> {
    let colour = |x: u32, y: u32| Rgb([10 * x as u8, 15 * y as u8, (x * y) as u8]);
    let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(24, 16, colour));
    let veiled = DynamicImage::ImageRgba8(picture.to_rgba8());
    let encoded = |picture: &DynamicImage, format| {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    let formats =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp];
    let mut files: Vec<Vec<u8>> = formats.map(|format| encoded(&picture, format)).to_vec();
    files.extend([ImageFormat::Png, ImageFormat::WebP].map(|format| encoded(&veiled, format)));
    files
}

/// Streams of a few frames in every format that is read.
pub fn y4m() -> Vec<Vec<u8>> {
    let stream = |space: &str, size: (usize, usize), bytes: usize| {
        let (width, height) = size;
        let mut stream = format!("YUV4MPEG2 W{width} H{height} F30000:1001 Ip A1:1{space}\n").into_bytes();
        for frame in 0..3u8 {
            stream.extend_from_slice(if frame == 1 { b"FRAME Ip\n" } else { b"FRAME\n" });
            stream.extend((0..bytes).map(|i| (i as u8).wrapping_mul(7).wrapping_add(frame)));
        }
        stream
    };
    vec![
        stream(" C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED", (16, 8), 192),
        stream(" C420mpeg2", (7, 5), 35 + 24),
        stream("", (2, 2), 6),
        stream(" C422", (5, 3), 15 + 18),
        stream(" C444 XCOLORRANGE=FULL", (6, 4), 72),
        stream(" Cmono", (9, 4), 36),
    ]
}

/// Shards of pairs and clean pictures, and of things that are none.
pub fn shards() -> Vec<Vec<u8>> {
    let shard = |files: &[(&str, &[u8])]| {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    };
    let pictures = pictures();
    let (png, jpeg) = (pictures[0].as_slice(), pictures[1].as_slice());
    let long = format!("clean/{}.jpg", "a".repeat(150));
    vec![
        shard(&[("rain/0001.input.jpg", jpeg), ("rain/0001.target.png", png), ("rain/0001.txt", b"rain")]),
        shard(&[("clean/7.png", png), (&long, jpeg), ("./8.jpg", jpeg)]),
        shard(&[("notes.json", b"{}"), ("empty.jpg", b"")]),
    ]
}

/// Configuration files and boards' profiles.
pub fn settings() -> Vec<Vec<u8>> {
    let whole = include_str!("../../board/vlunet.toml").replace("#: ", "");
    vec![
        include_bytes!("../../board/vlunet.toml").to_vec(),
        whole.replace("board = ", "task = ").replacen("task = ", "# ", 1).into_bytes(),
        include_bytes!("../../board/raspberry-pi-4.toml").to_vec(),
        include_bytes!("../../board/jetson-agx-orin.toml").to_vec(),
    ]
}

/// A recipe that ships, and one with every key.
pub fn recipes() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../models/recipes/nano.toml").to_vec(),
        br#"
            network = { dim = 10, num_blocks = [1, 1, 1, 1], num_refinement_blocks = 1, heads = [1, 2, 4, 8], ffn_expansion_factor = 2.0, de_dim = 2, stem = 4 }
            steps = 6
            seed = 3
            average = 0.99
            from_image = 0.5
            phases = [{ until = 0.5, patch = 32, batch = 2 }, { until = 1.0, patch = 64, batch = 1 }]
            rounds = { pictures = 4, steps = 4, held_out = 2, validate = 100 }
            optimizer = { betas = [0.9, 0.99], weight_decay = 1e-4, clip = 1.0 }
            rate = { peak = 1e-3, last = 1e-4, warm_up = 2 }
            loss = { l1 = 1.0, frequency = 0.1, ssim = 0.1 }
            teacher = { weight = 0.5 }
            [[data]]
            set = "clean"
            task = "denoise"
            prompt = "grainy"
            degrade = { kind = "noise", sigma = [5, 55] }
            mixed_with = ["haze", "jpeg"]
            mixed_chance = 0.5
            weight = 2.0
            [[data]]
            set = "rain"
            task = "derain"
        "#
        .to_vec(),
    ]
}
