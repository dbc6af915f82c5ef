"""Running a bundle: the dispatcher, its interpreters, and the trial of files before they run."""
