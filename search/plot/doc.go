// Package plot draws what a search found: the front with the levels of a family ([Front]), the course of
// searches ([History]), and, on axes of their own, the measured points that the Dynamic-OFA paper
// published ([Paper]), from which [Headline] computes the paper's headline figures.
//
// An axis never shows an accuracy without saying where it comes from, and predicted, stand-in and
// measured accuracies never share one.
package plot
