// The kernels as a shared library for tests: compiled by a C++ compiler they run on the host, compiled by nvcc
// (`nvcc -shared -DPAD_LIBRARY -x cu`) on a device. Both have the same four functions, so the same tests run on both.
#ifdef __CUDACC__
#include <cuda_runtime.h>

#include <cstring>
#include <vector>

namespace pad {
struct Kernel {
    const char* name;
    const void* entry;
};
inline std::vector<Kernel>& kernels() {
    static std::vector<Kernel> all;
    return all;
}
struct Registered {
    Registered(const char* name, const void* entry) { kernels().push_back({name, entry}); }
};
}  // namespace pad
#endif

#include "../kernels.cu"

extern "C" {

#ifdef __CUDACC__

// Memory of the host that the device reaches under the same address, so that tests need no copies; null where there is none.
void* pad_allocate(size_t bytes) {
    void* memory = nullptr;
    return cudaHostAlloc(&memory, bytes, cudaHostAllocMapped) == cudaSuccess ? memory : nullptr;
}

void pad_release(void* memory) { cudaFreeHost(memory); }

// Whether the kernels run on the host, where threads can take turns in different orders.
int pad_is_host() { return 0; }

// Runs a kernel to its end; null, or what went wrong.
const char* pad_launch(const char* name, const unsigned* grid, const unsigned* threads, const void* arguments, size_t, unsigned) {
    for (const pad::Kernel& kernel : pad::kernels())
        if (strcmp(kernel.name, name) == 0) {
            void* parameters[] = {const_cast<void*>(arguments)};
            const dim3 blocks(grid[0], grid[1], grid[2]), block(threads[0], threads[1], threads[2]);
            cudaError_t result = cudaLaunchKernel(kernel.entry, blocks, block, parameters, 0, 0);
            if (result == cudaSuccess) result = cudaDeviceSynchronize();
            return result == cudaSuccess ? nullptr : cudaGetErrorString(result);
        }
    return "there is no kernel of this name";
}

#else

void* pad_allocate(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

void pad_release(void* memory) { free(memory); }

int pad_is_host() { return 1; }

const char* pad_launch(const char* name, const unsigned* grid, const unsigned* threads, const void* arguments, size_t bytes,
                       unsigned order) {
    for (const host::Kernel& kernel : host::kernels()) {
        if (strcmp(kernel.name, name) != 0) continue;
        if (kernel.bytes != bytes) return "the arguments have another size than the kernel's";
        if (threads[0] * threads[1] * threads[2] > kernel.most_threads) return "a block has more threads than the kernel allows";
        host::Block& block = host::current();
        block.grid = {grid[0], grid[1], grid[2]};
        block.threads = {threads[0], threads[1], threads[2]};
        block.kernel = kernel.run;
        block.arguments = arguments;
        block.error = nullptr;
        // Blocks take turns as threads do, so that one that writes what another should is noticed.
        const unsigned count = grid[0] * grid[1] * grid[2];
        for (unsigned i = 0; i < count; ++i) {
            const unsigned at = order == 1 ? count - 1 - i : i;
            block.index = {at % grid[0], at / grid[0] % grid[1], at / grid[0] / grid[1]};
            if (!host::run_block(block, order)) {
                // They stopped somewhere within the kernel.
                block.fibers.clear();
                return block.error;
            }
        }
        return nullptr;
    }
    return "there is no kernel of this name";
}

#endif
}
