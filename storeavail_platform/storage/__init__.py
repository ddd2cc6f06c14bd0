"""Files in a folder or on S3 behind one interface: conditional put, atomic replace, listing.

What the files mean is not known here.
"""
