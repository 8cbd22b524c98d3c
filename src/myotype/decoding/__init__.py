"""From emissions to labels: decoders, whole and streaming."""

from myotype.decoding.decoder import Decoded, Decoder, DecoderStream, Hypothesis, Labels
from myotype.decoding.greedy import GreedyDecoder

__all__ = ["Decoded", "Decoder", "DecoderStream", "GreedyDecoder", "Hypothesis", "Labels"]
