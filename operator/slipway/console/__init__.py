"""The console: pages on which a person sees what serves, follows a rollout, and finds a model that exists already.

Pages are rendered here from plain data and work without JavaScript. What is shown is what the API server gives to
whoever looks, with their own rights.
"""
