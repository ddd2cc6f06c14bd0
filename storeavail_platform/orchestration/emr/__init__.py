"""Steps on a country's EMR cluster: choosing the cluster, submitting, streaming events back,
cancelling, and the code that goes there.
"""
