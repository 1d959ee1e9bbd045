"""The data sets that have a name: MNIST, cached or downloaded, and the sample that comes with the package."""
