/* The form in a request, field by field. */
#ifndef AH_FORM_H
#define AH_FORM_H

struct form;

/* Forget the form of a request that has been answered; null is none. */
void form_free(struct form *form);

#endif
