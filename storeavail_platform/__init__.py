"""Store availability platform: is each store online when its schedule says it should be open?"""
