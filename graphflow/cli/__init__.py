"""The command line. One small file a command; `main` puts them together and is the border for all errors.

Nothing heavy is imported here or at the top of a command's file: `graphflow --help` must start at once.
"""
