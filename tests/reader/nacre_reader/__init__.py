"""An independent reader of Nacre volumes, written from docs/format.md and from nothing else.

It exists to prove that the document is enough, and that what the program writes is what the document says. So it shares
no code with the program, trusts nothing that it reads, and refuses where the document says "must". Section numbers in
the comments are the document's.
"""
