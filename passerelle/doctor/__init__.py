"""`passerelle doctor`: what is wrong with a set-up, and how to mend it. One file per process that it looks at."""
