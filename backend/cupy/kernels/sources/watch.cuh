// A watched step as it is on the device, `backend.cupy.watch` its host side: the numbers of the step, and whether one of
// its values was not finite. Put before every source.
//
// A value that is not finite becomes 0 where it is made, and is noted: by the layer whose error it is in, or by a higher
// code where it is an output's. A layer whose error, or one above it, is noted takes no part in the step: its error is 0
// then, so that products with it add nothing, and what is applied is not. (Inputs are checked before a step, as 0 times a
// NaN of theirs would spoil the first layer's weights.) Once a step is noted, all later ones are refused whole, until the
// host has looked. `step` is NULL where nothing is watched: values stay as they are then.

struct Step {
    long long number; // how many steps the network had before
    double rate;
    alignas(8) Item minus_rate;
    alignas(8) Item keep;     // what the sum or product at hand keeps of what it is added onto
    double numbers[2][8];     // of the rule for weights, and for biases; in the order of `begin_step`
    unsigned bad;             // 0, or the highest code that was noted
    unsigned long long *said; // the host's word: the number and the code
};

__device__ inline bool refuses(const Step *step, long long layer) { return step && step->bad >= (unsigned)layer; }

__device__ inline void note_bad(Step *step, long long code) {
    if (atomicMax(&step->bad, (unsigned)code) < (unsigned)code)
        *(volatile unsigned long long *)step->said = (unsigned long long)step->number << 32 | (unsigned)code;
}

// Which values are finite, and what takes the place of others: so that loops over values ask nothing of the step.
struct Range {
    Item largest, instead;
};

// In a watched step others become 0; without one infinities are in range too, and NaN stays NaN.
__device__ inline Range range_in(const Step *step) {
    Item largest = step ? -LOWEST : INFINITE;
    return {largest, step ? (Item)0 : INFINITE - INFINITE};
}

// Whether x is out of range; then it is replaced.
__device__ inline bool zeroed(Item &x, const Range &range) {
    if (FABS(x) <= range.largest) return false;
    x = range.instead;
    return true;
}
