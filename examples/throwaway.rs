use ndarray::ArrayD;
use vlunet::arch::*;
use vlunet::backend::*;
use vlunet::onnx::{self, Size};
use vlunet::weights::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (config, w) = if a[1] == "nano" {
        read_restorer(&Checkpoint::open("../shared/bootstrap/vlunet_nano.safetensors".as_ref()).unwrap())
            .unwrap()
    } else if a[1] == "golden" {
        read_restorer(&Checkpoint::open("../shared/golden/vlunet.safetensors".as_ref()).unwrap()).unwrap()
    } else {
        let c = VluNetConfig::preset(&a[1]).unwrap();
        let w = c.parameters().into_iter().map(|p| (p.name, ArrayD::from_elem(p.shape, 0.01f32))).collect();
        (c, w)
    };
    let bytes = onnx::restorer(&config, &w, Size::Symbolic).unwrap();
    drop(w);
    let m = Model::open(&bytes, "nano", &Options { threads: 1 }).unwrap();
    drop(bytes);
    let (h, w): (usize, usize) = (a[2].parse().unwrap(), a[3].parse().unwrap());
    let mut s = m.session(&[("image", &[1, 3, h, w]), ("degradation", &[1, 512])]).unwrap();
    let st = || {
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"))
            .map(|s| s.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let before = st();
    let img =
        ArrayD::from_shape_fn(vec![1, 3, h, w], |i| ((i[2] * 7 + i[3] * 13 + i[1] * 5) % 255) as f32 / 255.);
    let d = ArrayD::from_elem(vec![1, 512], 0.1f32);
    let t = std::time::Instant::now();
    s.run(&[("image", Input::F32(img.view())), ("degradation", Input::F32(d.view()))]).unwrap();
    println!("{} {h}x{w} {:?} | {before} -> {}", a[1], t.elapsed(), st());
}
