// Package images reads labelled pictures and turns them into the input tensors of a network.
//
// It reads image folders (PNG, JPEG, BMP; flat, ImageNet's class folders, or with a ground-truth
// file), the IDX files of MNIST's family and CIFAR-10/100's binary files, draws procedural pictures
// for demonstrations that have no data, and applies torchvision's evaluation transform bit for bit.
//
// Everything that is read is hostile until it is validated: sizes are bounded before memory is
// asked for, no path leaves the folder that was named, and an error names the file and, where there
// is one, the position in it.
//
// # Colours and resampling
//
// The reference is torchvision on PIL: Image.convert("RGB"), Resize with PIL's antialiased bilinear
// filter, CenterCrop, ToTensor, Normalize. For PNG and BMP the tensors are the same, bit for bit.
// For JPEG the standard library decodes the coefficients and this package does the chroma upsampling
// and the colour conversion as libjpeg-turbo does them, so that what remains is the rounding
// of the inverse cosine transform; see [Preprocessor] for the measured difference.
//
// # Refusals
//
// The package does not augment, does not apply EXIF orientation (torchvision does not either), does
// not apply colour profiles, does not fetch data, and does not read WebP: the decoder at hand takes
// WebP's video-range colours for full-range ones, so its pictures would be silently off.
package images
