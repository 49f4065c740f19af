//! The `bouncesift` program. All it does is in the library.

fn main() -> std::process::ExitCode {
    bouncesift::cli::main()
}
