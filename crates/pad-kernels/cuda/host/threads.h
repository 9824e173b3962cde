// Runs a kernel's threads on the host, for tests: the threads of a block are fibers that take turns, blocks run one after another, the
// last one first where threads take turns in falling order.
//
// It checks the arithmetic, the indices, the barriers and the exchanges within warps of the very source that a device gets. It says
// nothing about speed, or about the order of memory accesses between blocks. What it is strict about:
//
// * shared memory of a block starts as NaN, is followed by a guard, and may not exceed 48 KiB;
// * a thread runs until it waits, and a warp until it waits for other warps, so that what is read or overwritten without a barrier is
//   read or overwritten too early under one of the orders in which they can take turns: rising, falling, or shuffled again and again;
// * all threads of a block meet at every barrier, and all lanes of a warp in every exchange; if not, the launch ends with an error.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

struct uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct Dimensions {
    unsigned x, y, z;
};

namespace host {

const size_t STACK = 128 * 1024, MOST_SHARED = 48 * 1024, GUARD = 64;

struct Barrier {
    unsigned arrived = 0, generation = 0;
};

struct Fiber {
    jmp_buf context;
    ucontext_t start;
    Dimensions index;
    unsigned linear;
    bool started = false, done;
    char stack[STACK];
};

// What a lane passes to the others of its warp.
struct Slot {
    unsigned words[8];
};

struct SharedPart {
    const void* site;
    size_t start, bytes;
};

struct Block {
    Dimensions grid, threads, index;
    // Fibers outlive their block: to begin one costs a call of the system.
    std::vector<std::unique_ptr<Fiber>> fibers;
    unsigned count;
    std::vector<Barrier> warps;
    std::vector<Slot> slots;
    std::vector<unsigned char> memory;
    std::vector<SharedPart> parts;
    Barrier all;
    Fiber* running;
    jmp_buf scheduler;
    void (*kernel)(const void*);
    const void* arguments;
    unsigned finished, progress;
    const char* error;
};

// The block that this thread of the host runs.
inline Block& current() {
    static thread_local Block block;
    return block;
}

__attribute__((noinline)) inline void yield() {
    Block& block = current();
    if (_setjmp(block.running->context) == 0) _longjmp(block.scheduler, 1);
}

// Ends the launch: no thread of the block runs on.
[[noreturn]] inline void fail(const char* error) {
    current().error = error;
    _longjmp(current().scheduler, 1);
}

inline void wait(Barrier& barrier, unsigned count) {
    const unsigned generation = barrier.generation;
    if (++barrier.arrived == count) {
        barrier.arrived = 0;
        ++barrier.generation;
        ++current().progress;
        return;
    }
    while (barrier.generation == generation) yield();
}

// The shared memory that belongs to a declaration: the same for all threads of a block, poisoned when the first of them asks.
inline void* shared(const void* site, size_t bytes) {
    Block& block = current();
    size_t end = 0, used = bytes;
    for (const SharedPart& part : block.parts) {
        if (part.site == site) return block.memory.data() + part.start;
        end = part.start + part.bytes + GUARD;
        used += part.bytes;
    }
    if (used > MOST_SHARED) fail("a block has more than 48 KiB of shared memory");
    const size_t start = (end + 15) / 16 * 16;
    block.parts.push_back({site, start, bytes});
    memset(block.memory.data() + start, 0xff, bytes);
    memset(block.memory.data() + start + bytes, 0xa5, GUARD);
    return block.memory.data() + start;
}

inline void enter() {
    Block& block = current();
    for (;;) {
        block.kernel(block.arguments);
        block.running->done = true;
        ++block.finished;
        ++block.progress;
        // Resumed with the next block.
        yield();
    }
}

__attribute__((noinline)) inline void resume(Fiber& fiber) {
    Block& block = current();
    block.running = &fiber;
    if (_setjmp(block.scheduler) != 0) return;
    if (fiber.started) _longjmp(fiber.context, 1);
    fiber.started = true;
    setcontext(&fiber.start);
}

inline unsigned next_random(unsigned& state) { return (state = state * 1664525u + 1013904223u) >> 8; }

inline void shuffle(std::vector<unsigned>& numbers, unsigned& state) {
    for (unsigned i = numbers.size() - 1; i > 0; --i) {
        const unsigned j = next_random(state) % (i + 1), kept = numbers[i];
        numbers[i] = numbers[j];
        numbers[j] = kept;
    }
}

// Runs a warp until it waits for others.
inline bool run_warp(Block& block, unsigned warp, const std::vector<unsigned>& lanes) {
    unsigned before;
    do {
        before = block.progress;
        for (unsigned lane : lanes) {
            const unsigned i = warp * 32 + lane;
            if (i < block.count && !block.fibers[i]->done) resume(*block.fibers[i]);
            if (block.error) return false;
        }
    } while (block.progress != before);
    return true;
}

// Runs the block at `index`; false with `error` set if its threads do not meet or write outside of their shared memory.
inline bool run_block(Block& block, unsigned order) {
    const unsigned count = block.threads.x * block.threads.y * block.threads.z;
    block.count = count;
    block.warps.assign((count + 31) / 32, Barrier());
    block.slots.resize(count);
    block.all = Barrier();
    block.parts.clear();
    block.memory.resize(MOST_SHARED + 64 * 2 * GUARD);
    block.finished = block.progress = 0;
    while (block.fibers.size() < count) block.fibers.emplace_back(new Fiber);
    for (unsigned i = 0; i < count; ++i) {
        Fiber& fiber = *block.fibers[i];
        fiber.index = {i % block.threads.x, i / block.threads.x % block.threads.y, i / block.threads.x / block.threads.y};
        fiber.linear = i;
        fiber.done = false;
        if (fiber.started) continue;
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = fiber.stack;
        fiber.start.uc_stack.ss_size = STACK;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, enter, 0);
    }
    const unsigned warps = block.warps.size();
    std::vector<unsigned> turns(warps), lanes(32);
    for (unsigned i = 0; i < warps; ++i) turns[i] = order == 1 ? warps - 1 - i : i;
    for (unsigned i = 0; i < 32; ++i) lanes[i] = order == 1 ? 31 - i : i;
    unsigned random = order;
    while (block.finished < count) {
        if (order > 1) {
            shuffle(turns, random);
            shuffle(lanes, random);
        }
        const unsigned before = block.progress;
        for (unsigned warp : turns)
            if (!run_warp(block, warp, lanes)) return false;
        if (block.progress == before) {
            block.error = "threads of a block wait at a barrier that others do not reach";
            return false;
        }
    }
    for (const SharedPart& part : block.parts)
        for (size_t i = 0; i < GUARD; ++i)
            if (block.memory[part.start + part.bytes + i] != 0xa5) {
                block.error = "a block wrote behind its shared memory";
                return false;
            }
    return true;
}

struct Kernel {
    const char* name;
    unsigned most_threads;
    size_t bytes;
    void (*run)(const void*);
};

inline std::vector<Kernel>& kernels() {
    static std::vector<Kernel> all;
    return all;
}

struct Registered {
    Registered(const char* name, unsigned most_threads, size_t bytes, void (*run)(const void*)) {
        kernels().push_back({name, most_threads, bytes, run});
    }
};

inline unsigned linear_thread() { return current().running->linear; }

// Every lane of the calling thread's warp passes a value; `use` then reads what the lane of a number passed.
template <class T, class Use>
void exchange(unsigned mask, const T& value, Use use) {
    static_assert(sizeof(T) <= sizeof(Slot), "larger than a slot");
    Block& block = current();
    const unsigned me = linear_thread(), warp = me / 32, count = block.count;
    if (mask != ~0u || count % 32 != 0) fail("an exchange without all lanes of a warp");
    memcpy(&block.slots[me], &value, sizeof(T));
    wait(block.warps[warp], 32);
    use([&](unsigned lane) {
        T given;
        memcpy(&given, &block.slots[warp * 32 + lane % 32], sizeof(T));
        return given;
    });
    wait(block.warps[warp], 32);
}

}  // namespace host

#define threadIdx (host::current().running->index)
#define blockIdx (host::current().index)
#define blockDim (host::current().threads)
#define gridDim (host::current().grid)

inline void __syncthreads() { host::wait(host::current().all, host::current().count); }
inline void __syncwarp() { host::wait(host::current().warps[host::linear_thread() / 32], 32); }
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
    T given;
    host::exchange(mask, value, [&](auto of) { given = of((host::linear_thread() % 32) ^ bits); });
    return given;
}
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
