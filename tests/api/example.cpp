// The same as example.c with what C++ has to offer: handles that close themselves, errors as exceptions.
//   c++ example.cpp $(pkg-config --cflags --libs nacre) -o example && ./example NEW-FILE
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nacre.h>
#include <stdexcept>
#include <string>

namespace {

class Error : public std::runtime_error {
public:
  Error(nacre_err err, const std::string &what) : std::runtime_error(what + ": " + nacre_last_error()), code(err) {}
  nacre_err code;
};

void check(nacre_err err, const std::string &what) {
  if (err != NACRE_OK)
    throw Error(err, what);
}

struct Free {
  void operator()(nacre_credential *cred) const { nacre_credential_free(cred); }
  void operator()(nacre_file *file) const { nacre_close(file); }
};
using Credential = std::unique_ptr<nacre_credential, Free>;
using File = std::unique_ptr<nacre_file, Free>;

Credential passphrase(const std::string &text) {
  nacre_credential *cred = nullptr;
  check(nacre_credential_passphrase(text.data(), text.size(), &cred), "credential");
  return Credential(cred);
}

class Volume {
public:
  Volume(const nacre_target &target, const Credential &cred) {
    nacre_open_options options{};
    options.struct_size = sizeof options;
    check(nacre_volume_open(&target, &options, cred.get(), &vol), "open the volume");
  }
  Volume(const Volume &) = delete;
  Volume &operator=(const Volume &) = delete;
  // What was not committed by close() is dropped.
  ~Volume() {
    if (vol != nullptr)
      nacre_volume_abandon(vol);
  }
  void close() {
    nacre_volume *closing = vol;
    vol = nullptr;
    check(nacre_volume_close(closing), "close the volume");
  }
  File open(const std::string &path, unsigned flags) {
    const nacre_caller caller{0, 0, 022};
    nacre_file *file = nullptr;
    check(nacre_open(vol, path.c_str(), flags, 0644, &caller, &file), "open " + path);
    return File(file);
  }

private:
  nacre_volume *vol = nullptr;
};

void make(const nacre_target &target, const Credential &cred) {
  nacre_create_options options{};
  options.struct_size = sizeof options;
  options.size_bytes = 64u << 20;
  // Least costs, so that the example is quick. Left zero, they are fit for a passphrase that a person knows.
  options.kdf.memory_bytes = NACRE_KDF_MEMORY_MIN_BYTES;
  options.kdf.passes = 3;
  options.kdf.lanes = 1;
  check(nacre_create(&target, &options, cred.get()), "create");
}

void use(const nacre_target &target) {
  const std::string text = "Whoever steals the file learns its size.\n";
  const Credential cred = passphrase("correct horse battery staple");
  make(target, cred);
  {
    Volume volume(target, cred);
    const File file = volume.open("first.txt", NACRE_O_WRITE | NACRE_O_CREATE);
    check(nacre_write(file.get(), text.data(), text.size(), 0), "write");
    check(nacre_fsync(file.get()), "fsync");
  }
  Volume volume(target, cred);
  std::string back(128, '\0');
  size_t done = 0;
  check(nacre_read(volume.open("first.txt", NACRE_O_READ).get(), &back[0], back.size(), 0, &done), "read");
  back.resize(done);
  volume.close();
  if (back != text)
    throw std::runtime_error("the file came back different");
}

void refuse(const nacre_target &target) {
  try {
    Volume(target, passphrase("not the passphrase"));
  } catch (const Error &error) {
    if (error.code == NACRE_ERR_CREDENTIAL)
      return;
    throw;
  }
  throw std::runtime_error("a wrong passphrase was not refused");
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: example NEW-FILE\n";
    return 2;
  }
  nacre_target target{};
  target.struct_size = sizeof target;
  target.path = argv[1];
  try {
    use(target);
    refuse(target);
  } catch (const std::exception &error) {
    std::cerr << "example: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
