#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of timeval"][::std::mem::size_of::<timeval>() - 16usize];
    ["Alignment of timeval"][::std::mem::align_of::<timeval>() - 8usize];
    ["Offset of field: timeval::tv_usec"][::std::mem::offset_of!(timeval, tv_usec) - 8usize];
    ["Size of v4l2_edid"][::std::mem::size_of::<v4l2_edid>() - 40usize];
    ["Alignment of v4l2_edid"][::std::mem::align_of::<v4l2_edid>() - 8usize];
    ["Size of v4l2_plane__bindgen_ty_1"]
        [::std::mem::size_of::<v4l2_plane__bindgen_ty_1>() - 8usize];
    ["Alignment of v4l2_plane__bindgen_ty_1"]
        [::std::mem::align_of::<v4l2_plane__bindgen_ty_1>() - 8usize];
    ["Size of v4l2_plane"][::std::mem::size_of::<v4l2_plane>() - 64usize];
    ["Alignment of v4l2_plane"][::std::mem::align_of::<v4l2_plane>() - 8usize];
    ["Offset of field: v4l2_plane::data_offset"]
        [::std::mem::offset_of!(v4l2_plane, data_offset) - 16usize];
    ["Offset of field: v4l2_plane::reserved"]
        [::std::mem::offset_of!(v4l2_plane, reserved) - 20usize];
    ["Size of v4l2_buffer__bindgen_ty_1"]
        [::std::mem::size_of::<v4l2_buffer__bindgen_ty_1>() - 8usize];
    ["Alignment of v4l2_buffer__bindgen_ty_1"]
        [::std::mem::align_of::<v4l2_buffer__bindgen_ty_1>() - 8usize];
    ["Size of v4l2_buffer"][::std::mem::size_of::<v4l2_buffer>() - 88usize];
    ["Alignment of v4l2_buffer"][::std::mem::align_of::<v4l2_buffer>() - 8usize];
    ["Offset of field: v4l2_buffer::timestamp"]
        [::std::mem::offset_of!(v4l2_buffer, timestamp) - 24usize];
    ["Offset of field: v4l2_buffer::timecode"]
        [::std::mem::offset_of!(v4l2_buffer, timecode) - 40usize];
    ["Offset of field: v4l2_buffer::sequence"]
        [::std::mem::offset_of!(v4l2_buffer, sequence) - 56usize];
    ["Offset of field: v4l2_buffer::memory"][::std::mem::offset_of!(v4l2_buffer, memory) - 60usize];
    ["Offset of field: v4l2_buffer::m"][::std::mem::offset_of!(v4l2_buffer, m) - 64usize];
    ["Offset of field: v4l2_buffer::length"][::std::mem::offset_of!(v4l2_buffer, length) - 72usize];
    ["Offset of field: v4l2_buffer::reserved2"]
        [::std::mem::offset_of!(v4l2_buffer, reserved2) - 76usize];
    ["Size of v4l2_framebuffer"][::std::mem::size_of::<v4l2_framebuffer>() - 48usize];
    ["Alignment of v4l2_framebuffer"][::std::mem::align_of::<v4l2_framebuffer>() - 8usize];
    ["Offset of field: v4l2_framebuffer::fmt"]
        [::std::mem::offset_of!(v4l2_framebuffer, fmt) - 16usize];
    ["Size of v4l2_clip"][::std::mem::size_of::<v4l2_clip>() - 24usize];
    ["Alignment of v4l2_clip"][::std::mem::align_of::<v4l2_clip>() - 8usize];
    ["Size of v4l2_window"][::std::mem::size_of::<v4l2_window>() - 56usize];
    ["Alignment of v4l2_window"][::std::mem::align_of::<v4l2_window>() - 8usize];
    ["Offset of field: v4l2_window::clipcount"]
        [::std::mem::offset_of!(v4l2_window, clipcount) - 32usize];
    ["Offset of field: v4l2_window::bitmap"][::std::mem::offset_of!(v4l2_window, bitmap) - 40usize];
    ["Offset of field: v4l2_window::global_alpha"]
        [::std::mem::offset_of!(v4l2_window, global_alpha) - 48usize];
    ["Size of v4l2_ext_controls"][::std::mem::size_of::<v4l2_ext_controls>() - 32usize];
    ["Alignment of v4l2_ext_controls"][::std::mem::align_of::<v4l2_ext_controls>() - 8usize];
    ["Offset of field: v4l2_ext_controls::controls"]
        [::std::mem::offset_of!(v4l2_ext_controls, controls) - 24usize];
    ["Alignment of v4l2_format__bindgen_ty_1"]
        [::std::mem::align_of::<v4l2_format__bindgen_ty_1>() - 8usize];
    ["Size of v4l2_format"][::std::mem::size_of::<v4l2_format>() - 208usize];
    ["Alignment of v4l2_format"][::std::mem::align_of::<v4l2_format>() - 8usize];
    ["Offset of field: v4l2_format::fmt"][::std::mem::offset_of!(v4l2_format, fmt) - 8usize];
};
