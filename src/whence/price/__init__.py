"""What LLM calls cost: a price table (genai-prices and the user's own), and the cost records made by it.

Never in the host's process: whoever asks prices what is new (`price.pricing`), after the drain.
"""
