//! What the library refuses to launch.

use pad_kernels::device::Launch;

use crate::library::kernels;

#[test]
fn what_a_kernel_does_not_take_is_refused() {
    let launch = |kernel: &str, threads, bytes| Launch {
        kernel: kernel.into(),
        grid: [1, 1, 1],
        threads,
        arguments: vec![0; bytes],
    };
    if kernels().is_host {
        let order = kernels().orders()[0];
        assert!(order.try_run(&launch("nothing", 32, 8)).unwrap_err().contains("no kernel"));
        assert!(order.try_run(&launch("gated_silu_f32", 32, 8)).unwrap_err().contains("another size"));
        assert!(order.try_run(&launch("gated_silu_f32", 512, 24)).unwrap_err().contains("more threads"));
    }
}
