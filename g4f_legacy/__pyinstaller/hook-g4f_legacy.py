"""Collects modules that are imported by name, data files, and the providers of other distributions."""

from PyInstaller.utils.hooks import collect_data_files, collect_entry_point, collect_submodules

datas, hiddenimports = collect_entry_point("g4f_legacy.providers")
datas += collect_data_files("g4f_legacy")
hiddenimports += collect_submodules("g4f_legacy", lambda name: not name.startswith("g4f_legacy.__pyinstaller"))
hiddenimports.append("g4f_legacy.server")  # skipped above without flask; its import names the missing extra
