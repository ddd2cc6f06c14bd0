// A page asks for this before it loads itself again: whoever answers with it is there.
