/* Levels of x86-64 are numbered as its psABI does; others have the number 0. */
#ifndef LEVEL_H
#define LEVEL_H

int level_runs_here(int level);
#endif
