// The beginning of a watched step: its numbers, by one thread.

extern "C" __global__ void begin_step(Step *step, long long number, double rate, double rule_rate, double scale,
                                      double l2, double decay, double beta1, double beta2, double epsilon,
                                      double correction, unsigned long long *said) {
    double rule[8] = {rule_rate, scale, l2, decay, beta1, beta2, epsilon, correction};
    if (step->bad) step->bad = CLOSED_CODE; // of an earlier step, which the host has not seen yet
    step->number = number;
    step->rate = rate;
    step->minus_rate = (Item)-rate;
    step->keep = 1;
    for (int k = 0; k < 8; k++) step->numbers[0][k] = step->numbers[1][k] = rule[k];
    step->numbers[1][2] = step->numbers[1][3] = 0; // biases neither are pulled to 0 nor decay
    step->said = said;
}
