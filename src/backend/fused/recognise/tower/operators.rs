//! The operators that an image tower is written in.

use super::super::operators::{Attributes, Operator, Wanted};

pub(super) fn of_tower(op_type: &str) -> Option<Operator> {
    use Wanted::{AnyFloat, AnyInt, AnyInts, Int, Ints, Text};
    let (inputs, must, may): (_, Attributes, Attributes) = match op_type {
        "Add" | "Sub" | "Mul" | "Div" | "MatMul" => (2..=2, &[], &[]),
        "Erf" | "Relu" | "Log" => (1..=1, &[], &[]),
        // Means and spreads of any number of stages.
        "Concat" => (2..=usize::MAX, &[("axis", Int(-1))], &[]),
        "Reshape" => (2..=2, &[], &[("allowzero", Int(0))]),
        "Transpose" => (1..=1, &[("perm", AnyInts)], &[]),
        "QuantizeLinear" => (3..=3, &[], &[("axis", AnyInt)]),
        "DequantizeLinear" => (2..=3, &[], &[("axis", AnyInt)]),
        "ReduceMean" => (1..=1, &[("axes", Ints(&[1, 2]))], &[("keepdims", Int(1))]),
        "LayerNormalization" => {
            (3..=3, &[("epsilon", AnyFloat)], &[("axis", Int(-1)), ("stash_type", Int(1))])
        }
        "Conv" => (
            2..=3,
            &[],
            &[
                ("group", AnyInt),
                ("kernel_shape", AnyInts),
                ("pads", AnyInts),
                ("strides", AnyInts),
                ("dilations", Ints(&[1, 1])),
                ("auto_pad", Text(b"NOTSET")),
            ],
        ),
        _ => return None,
    };
    Some(Operator { inputs, outputs: 1..=1, must, may })
}
