// One decision for each sequence, as `pad_decode::decide` without guards: rewards of the candidates, scores, and the token that is
// chosen, greedily or by a draw. One warp for a sequence.
#pragma once
#include "warp.h"

struct DecisionArguments {
    const u32* tokens;         // [sequences][k]; 0xffffffff behind the last candidate
    const float* base;         // [sequences][k]: the base's logits, the best first
    const float* base_sums;    // [sequences]: log of the sum of exponentials over the vocabulary; null: over the candidates
    const float* readouts;     // [readouts][k]: the reward lanes' logits at the candidates of their sequence
    const float* lane_sums;    // [readouts], as base_sums
    const int* first_term;     // [sequences + 1]
    const int* term_readouts;  // [terms]: the row of readouts
    const int* references;     // [terms]: a row of readouts, or one of the numbers below
    const float* weights;      // [terms]
    const float* rules;        // [sequences][5]: beta, temperature, min_p, top_k, top_p
    const double* draws;       // [sequences], uniform on [0, 1)
    u32* chosen;               // [sequences]: tokens
    int* ranks;                // [sequences]: their places among the candidates
    float* base_logprobs;      // [sequences][k]; these and the next two may be null
    float* rewards;            // [sequences][k]: the weighted sums
    float* scores;             // [sequences][k]
    int k;
};

// What a reward is measured against where it is not another readout: as `pad_decode::Reference`.
const int AGAINST_BASE = -1, AGAINST_OPPOSING = -2, AGAINST_NOTHING = -3;
const int DECISION_THREADS = WARP, MOST_CANDIDATES = 128, RULE_NUMBERS = 5;

DEVICE float finite(float x) { return x - x == 0.0f ? x : 0.0f; }

// Log-probabilities of `count` logits, over themselves or with the log of a sum that is known.
DEVICE void log_probabilities(const float* logits, const float* log_sum, int count, float* out) {
    if (log_sum) {
        for (int i = lane_of_warp(); i < count; i += WARP) out[i] = logits[i] - *log_sum;
        return;
    }
    float max = minus_infinity();
    for (int i = lane_of_warp(); i < count; i += WARP) max = fmaxf(max, logits[i]);
    max = warp_max(max);
    double sum = 0.0;
    for (int i = lane_of_warp(); i < count; i += WARP) sum += exp((double)(logits[i] - max));
    const double log_of = log(warp_sum(sum));
    for (int i = lane_of_warp(); i < count; i += WARP) out[i] = (float)((double)(logits[i] - max) - log_of);
}

// The place of candidate `i` in the order of scores: equal ones keep the base's order.
DEVICE int place_of(const float* scores, int count, int i) {
    int place = 0;
    for (int j = 0; j < count; ++j) place += scores[j] > scores[i] || (scores[j] == scores[i] && j < i);
    return place;
}

// The candidate that the draw falls on: `probabilities` and `order` are by place, the best first.
DEVICE int drawn(const float* rule, const double* probabilities, const int* order, int count, double draw) {
    const double smallest = rule[2] * probabilities[0];
    int size = 0;
    while (size < count && probabilities[size] >= smallest) ++size;
    size = most(size, 1);
    if (rule[3] > 0.0f) size = least(size, (int)rule[3]);
    double left = 0.0;
    for (int i = 0; i < size; ++i) left += probabilities[i];
    const double wanted = (double)rule[4] * (size == count ? 1.0 : left);
    double mass = 0.0;
    int inside = 0;
    while (inside < size && mass < wanted) mass += probabilities[inside++];
    inside = most(inside, 1);
    double total = 0.0;
    for (int i = 0; i < inside; ++i) total += probabilities[i];
    double rest = draw * total;
    for (int i = 0; i < inside; ++i) {
        if (rest < probabilities[i]) return order[i];
        rest -= probabilities[i];
    }
    while (inside > 1 && !(probabilities[inside - 1] > 0.0)) --inside;
    return order[inside - 1];
}

DEVICE void decide(const DecisionArguments& a) {
    SHARED(float, reference, MOST_CANDIDATES);
    SHARED(float, own, MOST_CANDIDATES);
    SHARED(float, other, MOST_CANDIDATES);
    SHARED(float, score, MOST_CANDIDATES);
    SHARED(float, reward, MOST_CANDIDATES);
    SHARED(double, mass, MOST_CANDIDATES);
    SHARED(double, probabilities, MOST_CANDIDATES);
    SHARED(int, order, MOST_CANDIDATES);
    const int sequence = blockIdx.x, lane = lane_of_warp();
    const u64 at = (u64)sequence * a.k;
    const float* const rule = a.rules + sequence * RULE_NUMBERS;
    int count = 0;
    while (count < a.k && a.tokens[at + count] != 0xffffffffu) ++count;
    log_probabilities(a.base + at, a.base_sums ? a.base_sums + sequence : a.base_sums, count, reference);
    // Until the scores are known a lane reads only what it wrote.
    for (int i = lane; i < count; i += WARP) reward[i] = 0.0f;
    bool steers = false;
    for (int term = a.first_term[sequence]; term < a.first_term[sequence + 1]; ++term) {
        const int readout = a.term_readouts[term], against = a.references[term];
        steers = steers || (rule[0] != 0.0f && a.weights[term] != 0.0f);
        log_probabilities(a.readouts + (u64)readout * a.k, a.lane_sums ? a.lane_sums + readout : a.lane_sums, count, own);
        if (against >= 0)
            log_probabilities(a.readouts + (u64)against * a.k, a.lane_sums ? a.lane_sums + against : a.lane_sums, count, other);
        for (int i = lane; i < count; i += WARP) {
            const float phi = against == AGAINST_BASE       ? own[i] - reference[i]
                              : against == AGAINST_OPPOSING ? reference[i] - own[i]
                              : against == AGAINST_NOTHING  ? own[i]
                                                            : own[i] - other[i];
            reward[i] += a.weights[term] * finite(phi);
        }
    }
    for (int i = lane; i < count; i += WARP) {
        score[i] = steers ? reference[i] + rule[0] * reward[i] : reference[i];
        if (a.base_logprobs) a.base_logprobs[at + i] = reference[i];
        if (a.rewards) a.rewards[at + i] = reward[i];
        if (a.scores) a.scores[at + i] = score[i];
    }
    __syncwarp();
    float max = minus_infinity();
    for (int i = 0; i < count; ++i) max = fmaxf(max, score[i]);
    for (int i = lane; i < count; i += WARP) mass[i] = exp((double)(score[i] - max) / rule[1]);
    __syncwarp();
    double sum = 0.0;
    for (int i = 0; i < count; ++i) sum += mass[i];
    for (int i = lane; i < count; i += WARP) {
        const int place = place_of(score, count, i);
        order[place] = i;
        probabilities[place] = mass[i] / sum;
    }
    __syncwarp();
    if (lane == 0) {
        const int rank = rule[1] <= 0.0f ? order[0] : drawn(rule, probabilities, order, count, a.draws[sequence]);
        a.ranks[sequence] = rank;
        a.chosen[sequence] = a.tokens[at + rank];
    }
}

ENTRY(decide_tokens, DECISION_THREADS, DecisionArguments, decide)
