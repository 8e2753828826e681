/* The embedded kernel program. Generated code doesn't keep to our warnings. */
#ifndef KERNEL_SKELETON_H
#define KERNEL_SKELETON_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#endif
