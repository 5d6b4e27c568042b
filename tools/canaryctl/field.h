/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields of a JSON object that may be missing or null. What is borrowed lives as long as the object. */
#ifndef CANARYCTL_FIELD_H
#define CANARYCTL_FIELD_H

#include <jansson.h>

/* A string, or `otherwise` where there is none. */
const char *field_text(const json_t *object, const char *name, const char *otherwise);

/* A number; NAN where there is none: the functions of format.h print it as "-". */
double field_number(const json_t *object, const char *name);

/* object.first.second */
double field_number2(const json_t *object, const char *first, const char *second);

#endif
